package workload

import pb "quoin.dev/api/etcdserverpb"

// Compactor compacts at a pace, some way behind the newest revision.
type Compactor struct {
	// Rate is how often it does so in a second; 0: 0.5. Behind is how many revisions it leaves; 0: 200.
	Rate   float64
	Behind int64
}

// Name is "compactor".
func (Compactor) Name() string { return "compactor" }

func (k Compactor) bodies() []body {
	// Each round is two calls.
	return paced(1, 2*or(k.Rate, 0.5), func(c *client, _ int) {
		for c.next() {
			a, err := c.read(getRequest("head"))
			if err != nil || !c.next() {
				continue
			}
			if revision := a.Header.GetRevision() - or(k.Behind, 200); revision > 0 {
				_, _ = c.compact(&pb.CompactionRequest{Revision: revision, Physical: c.chance(2)})
			}
		}
	})
}
