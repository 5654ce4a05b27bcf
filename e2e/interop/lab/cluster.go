package lab

import (
	"path/filepath"
	"strings"
	"testing"
)

// Cluster is members that know each other.
type Cluster struct {
	Members []*Member
}

// StartCluster runs one member of each given kind with empty directories and waits until all of them answer.
func StartCluster(t testing.TB, kinds ...Kind) *Cluster {
	t.Helper()
	return startCluster(t, kinds, nil)
}

func startCluster(t testing.TB, kinds []Kind, flags []string) *Cluster {
	t.Helper()
	c := &Cluster{}
	var initial []string
	free := freeAddresses(t, 2*len(kinds))
	for i := range kinds {
		m := &Member{Name: "m" + string(rune('0'+i)), Endpoint: free[2*i], peerURL: "http://" + free[2*i+1]}
		dir := t.TempDir()
		m.Dir, m.log = filepath.Join(dir, "data"), filepath.Join(dir, "log")
		c.Members = append(c.Members, m)
		initial = append(initial, m.Name+"="+m.peerURL)
	}
	for i, m := range c.Members {
		client := "http://" + m.Endpoint
		m.flags = append([]string{
			"--name=" + m.Name, "--data-dir=" + m.Dir,
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + m.peerURL, "--initial-advertise-peer-urls=" + m.peerURL,
			"--initial-cluster=" + strings.Join(initial, ","), "--initial-cluster-token=interop",
		}, flags...)
		t.Cleanup(func() { m.cleanUp(t) })
		m.start(t, kinds[i])
	}
	for _, m := range c.Members {
		m.awaitReady(t)
	}
	return c
}

// StartOne runs a single member, with more flags if there are any.
func StartOne(t testing.TB, kind Kind, flags ...string) *Member {
	t.Helper()
	return startCluster(t, []Kind{kind}, flags).Members[0]
}
