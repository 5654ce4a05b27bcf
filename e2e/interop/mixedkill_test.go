package interop

import (
	"fmt"
	"testing"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestKilledLeadersOfMixedClusters kills the leader of clusters of etcd and the server under test again and again, and all members
// now and then, while clients write keys of their own: what was acknowledged is there once, what was not at most once.
func TestKilledLeadersOfMixedClusters(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, kinds := range [][]lab.Kind{{lab.Etcd, lab.Etcd, subject}, {subject, subject, lab.Etcd}} {
		for _, name := range []string{"default", "small log"} {
			t.Run(fmt.Sprintf("%s-%s-%s %s", kinds[0], kinds[1], kinds[2], name), func(t *testing.T) {
				t.Parallel()
				var flags []string
				if name == "small log" { // so that who comes back needs a snapshot
					flags = []string{"--snapshot-count=40", "--snapshot-catchup-entries=5"}
				}
				c := lab.PrepareCluster(t, 3, flags...)
				c.Start(t, kinds...)
				w := startWrites(t, c.Members)
				for round := range 6 {
					w.reach(t, 50)
					if round == 3 {
						for _, m := range c.Members {
							m.Kill(t)
						}
						c.Start(t, kinds...)
						continue
					}
					m := lead(t, c, []lab.Kind{lab.Etcd, subject}[round%2])
					w.reach(t, 20) // through this leader
					m.Kill(t)
					w.reach(t, 100) // by the other two, of which one leads
					m.Start(t, m.Kind)
				}
				w.reach(t, 50)
				w.verify(t, c.Members)
				expectAlike(t, c.Members)
			})
		}
	}
}
