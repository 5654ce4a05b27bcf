package member

import "time"

// electSoon lets a cluster whose members have just been started elect without most of the first election timeout, as soon as
// enough of them are connected for that (--initial-election-tick-advance). With pre-vote a member that comes back to a leader
// disturbs nobody by it.
func (m *Member) electSoon() {
	if !m.cfg.Raft.InitialElectionTickAdvance {
		return
	}
	poll := time.NewTicker(electAloneInterval)
	defer poll.Stop()
	for begun := time.Now(); m.node.Leader() == 0 && time.Since(begun) < m.cfg.Raft.ElectionTimeout; {
		if m.connectedQuorum() {
			m.node.SkipWait()
			return
		}
		select {
		case <-poll.C:
		case <-m.stopping:
			return
		}
	}
}

// connectedQuorum reports whether this member is a voter that is connected to enough others to be elected.
func (m *Member) connectedQuorum() bool {
	voters := m.voters()
	connected, mine := 0, false
	for _, id := range voters {
		switch {
		case id == m.id:
			mine = true
			connected++
		case !m.transport.ActiveSince(id).IsZero():
			connected++
		}
	}
	return mine && len(voters) > 1 && connected > len(voters)/2
}
