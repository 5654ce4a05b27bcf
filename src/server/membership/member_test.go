package membership_test

import (
	"testing"
	"time"

	"quoin.dev/server/membership"
)

func TestIDsOfGoldenClusters(t *testing.T) {
	for _, g := range golden(t) {
		var ids []uint64
		for _, m := range g.Members {
			want, err := membership.ParseID(m.ID)
			if err != nil {
				t.Fatal(err)
			}
			got := membership.FoundingID(m.PeerURLs, g.Token)
			if got != want {
				t.Errorf("%s/%s: member id %s, want %s", g.Name, m.Name, membership.FormatID(got), m.ID)
			}
			ids = append(ids, got)
		}
		want, err := membership.ParseID(g.ClusterID)
		if err != nil {
			t.Fatal(err)
		}
		if got := membership.ClusterID(ids); got != want {
			t.Errorf("%s: cluster id %s, want %s", g.Name, membership.FormatID(got), g.ClusterID)
		}
	}
}

// An id that etcd 3.7.3 gave to "member add --peer-urls=http://127.0.0.1:24973" in the second 1795373460.
func TestAddedID(t *testing.T) {
	urls := []string{"http://127.0.0.1:24973"}
	if got := membership.FormatID(membership.AddedID(urls, time.Unix(1795373460, 5e8))); got != "9c3afe76134fe123" {
		t.Errorf("got %s", got)
	}
}

func TestFoundingIDIgnoresTheOrderOfURLs(t *testing.T) {
	a := membership.FoundingID([]string{"http://a:1", "http://b:1"}, "t")
	b := membership.FoundingID([]string{"http://b:1", "http://a:1"}, "t")
	if a != b || a == membership.FoundingID([]string{"http://a:1", "http://b:1"}, "u") {
		t.Errorf("%x %x", a, b)
	}
}

func TestFormatID(t *testing.T) {
	if got := membership.FormatID(0x0291a995fcfeb4df); got != "291a995fcfeb4df" {
		t.Errorf("got %s: leading zeros must not be written", got)
	}
}
