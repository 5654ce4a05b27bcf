package interop

import (
	"fmt"
	"strings"
	"testing"

	"quoin.dev/quoin/e2e/interop/lab"
)

// fixedSeed is in every run, beside one that is new.
const fixedSeed = 20

// TestRandomRequestsInMixedClusters sends random requests of every kind through all members of clusters of etcd and the server
// under test, while leadership goes from one kind to the other. Whatever was applied, all members hold the same. In the end each
// member goes on as the other kind.
func TestRandomRequestsInMixedClusters(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, kinds := range [][]lab.Kind{{lab.Etcd, lab.Etcd, subject}, {subject, subject, lab.Etcd}} {
		for _, fixed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s-%s-%s fixed=%v", kinds[0], kinds[1], kinds[2], fixed), func(t *testing.T) {
				t.Parallel()
				number := uint64(fixedSeed)
				if !fixed {
					number = seed(t)
				}
				c := lab.PrepareCluster(t, 3, "--snapshot-count=200", "--snapshot-catchup-entries=100")
				c.Start(t, kinds...)
				load := newEveryRequest(t, c.Members, number, true)
				for round, leads := range []lab.Kind{subject, lab.Etcd, subject, lab.Etcd} {
					load.run(200, func() { lead(t, c, leads) })
					raise(t, c.Members[round%3], 77+uint64(round))
					expectAlike(t, c.Members)
					compactAlike(t, c.Members, c.Members[(round+1)%3], int64(round*5))
					republish(t, c, c.Members[round%3])
				}
				load.expectMixed(14)
				for _, m := range c.Members {
					m.Kill(t)
				}
				var swapped []lab.Kind
				for _, k := range kinds {
					swapped = append(swapped, map[lab.Kind]lab.Kind{subject: lab.Etcd, lab.Etcd: subject}[k])
				}
				c.Start(t, swapped...)
				expectAlike(t, c.Members)
			})
		}
	}
}

// republish kills a member and lets it come back with another client URL, which goes through the log.
func republish(t *testing.T, c *lab.Cluster, m *lab.Member) {
	t.Helper()
	m.Kill(t)
	url := strings.Replace(m.Endpoint, "127.0.0.1", "localhost", 1)
	m.StartWith(t, m.Kind, "--advertise-client-urls=http://"+url)
	settle(t, "the client URL of "+m.Name, c.Members, func(one *lab.Member) (string, error) {
		if list := listed(t, one); !strings.Contains(list, url) {
			return list, fmt.Errorf("%s is not there", url)
		}
		return "", nil
	})
	expectAlike(t, c.Members)
}
