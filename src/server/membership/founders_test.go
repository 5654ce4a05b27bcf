package membership_test

import (
	"strings"
	"testing"

	"quoin.dev/server/membership"
)

// From the flags alone every founder computes the ids, the first log entries and the cluster id of the real cluster.
func TestFoundersOfGoldenClusters(t *testing.T) {
	for _, g := range golden(t) {
		members, err := membership.ParseInitialCluster(g.InitialCluster, g.Token)
		if err != nil {
			t.Fatal(err)
		}
		if len(members) != len(g.ConfChanges) {
			t.Fatalf("%s: %d founders, want %d", g.Name, len(members), len(g.ConfChanges))
		}
		for i, m := range members {
			if got := string(membership.AddChange(m).GetContext()); got != g.ConfChanges[i].Context {
				t.Errorf("%s: entry %d carries %s, want %s", g.Name, i+1, got, g.ConfChanges[i].Context)
			}
		}
		want, err := membership.ParseID(g.ClusterID)
		if err != nil {
			t.Fatal(err)
		}
		if got := membership.ClusterID(membership.IDs(members)); got != want {
			t.Errorf("%s: cluster id %x, want %x", g.Name, got, want)
		}
	}
}

func TestFoundersWithOneURL(t *testing.T) {
	_, err := membership.ParseInitialCluster("b=http://h:1,a=http://h:1", "")
	if err == nil || err.Error() != "initial cluster a=http://h:1,b=http://h:1 has duplicate url" {
		t.Errorf("got %v", err)
	}
	if _, err := membership.ParseInitialCluster("a", ""); err == nil || !strings.Contains(err.Error(), "URL scheme") {
		t.Errorf("got %v", err)
	}
}
