package peer

import "testing"

// TestMemberWhosePortIsClosedIsReportedOnce: its process has ended, so that nobody needs to wait for its silence.
func TestMemberWhosePortIsClosedIsReportedOnce(t *testing.T) {
	members := loopback(t, 3, nil)
	eventually(t, "all streams are up", func() bool { return connected(members) })
	gone, left := members[0], members[1:]
	gone.server.Close()
	gone.Stop()
	for _, m := range left {
		eventually(t, "the end of a member is reported", func() bool { return m.raft.goneReports(gone.local) > 0 })
		// Both streams may notice it, and nobody else is meant.
		if n := m.raft.goneReports(gone.local); n > 2 {
			t.Errorf("%d reports", n)
		}
		for _, other := range left {
			if n := m.raft.goneReports(other.local); n > 0 {
				t.Errorf("%d reports about a member that is there", n)
			}
		}
	}
}
