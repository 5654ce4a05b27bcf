package peer

import "testing"

// TestMembersSayWhatTheyAre: one that says nothing, as etcd does, is known to be another one than one that has not answered.
func TestMembersSayWhatTheyAre(t *testing.T) {
	members := loopback(t, 2, func(c *Config) {
		if c.LocalID == 1 {
			c.Software = "quoin/1.2.3"
		}
	})
	if _, known := members[0].Software(3); known {
		t.Error("a stranger is known")
	}
	eventually(t, "all streams are up", func() bool { return connected(members) })
	for i, want := range []string{"", "quoin/1.2.3"} {
		if got, known := members[i].Software(uint64(2 - i)); !known || got != want {
			t.Errorf("member %d says that it is %q, known %v, want %q", 2-i, got, known, want)
		}
	}
}
