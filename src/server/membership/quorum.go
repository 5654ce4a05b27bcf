package membership

// The rules of --strict-reconfig-check that look at the member list alone. A change is allowed when, after it, the
// members that have ever started still form a quorum of the voters. Whether they are connected right now is for the
// member to ask.

// MayAddVoter tells whether one more voter, not started yet, leaves a quorum of started ones. A cluster of one that
// runs may always grow.
func (c *Cluster) MayAddVoter() bool {
	voters, started := c.voters(0)
	if voters == 1 && started == 1 {
		return true
	}
	return started >= (voters+1)/2+1
}

// MayRemoveVoter tells whether the voters that remain without id hold a quorum of started ones. A learner may always
// be removed.
func (c *Cluster) MayRemoveVoter(id uint64) bool {
	if m, ok := c.Member(id); ok && m.IsLearner {
		return true
	}
	voters, started := c.voters(id)
	return started >= voters/2+1
}

// MayPromote tells whether the voters, with a learner among them, hold a quorum of started ones.
func (c *Cluster) MayPromote(id uint64) bool {
	voters, started := c.voters(0)
	if learner, _ := c.Member(id); learner.Started() {
		started++
	}
	return started >= (voters+1)/2+1
}

func (c *Cluster) voters(except uint64) (voters, started int) {
	for _, m := range c.Members() {
		if m.IsLearner || m.ID == except {
			continue
		}
		voters++
		if m.Started() {
			started++
		}
	}
	return voters, started
}
