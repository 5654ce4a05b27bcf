package balance

import (
	"math/rand/v2"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
)

// choice is one connected member with the callback for the end of its requests, made once and not per request.
type choice struct {
	conn    balancer.SubConn
	trouble *trouble
	done    func(balancer.DoneInfo)
}

// picker chooses the member of a request; many goroutines call it.
type picker struct {
	healthy, unhealthy []choice
	next               atomic.Uint32
}

// start begins the round at a random member, so that clients do not all begin with the same.
func (p *picker) start() { p.next.Store(rand.Uint32()) }

// Pick implements balancer.Picker.
func (p *picker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	rank := p.healthy
	if len(rank) == 0 {
		rank = p.unhealthy
	}
	if len(rank) == 0 {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	first := p.next.Add(1)
	chosen := rank[first%uint32(len(rank))]
	if chosen.trouble.active() {
		for i := range uint32(len(rank)) {
			if c := rank[(first+i)%uint32(len(rank))]; !c.trouble.active() {
				chosen = c
				break
			}
		}
	}
	return balancer.PickResult{SubConn: chosen.conn, Done: chosen.done}, nil
}

// failing is the picker while no member is connected. Requests wait for the next picker and end with its error if
// their context ends first.
type failing struct{ err error }

func (f failing) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{}, f.err
}
