package workload

import (
	"fmt"
	"slices"

	pb "quoin.dev/api/etcdserverpb"
)

// Leases grants leases, attaches keys to them, renews some and lets others run out.
type Leases struct {
	// Clients is how many there are; 0: 4. Rate is how many calls each makes a second; 0: 15.
	Clients int
	Rate    float64
}

// Name is "leases".
func (Leases) Name() string { return "leases" }

const (
	leasePrefix = "leases/"
	leaseKeys   = 8
	// maxLeases is how many leases a client looks after.
	maxLeases = 4
	// leaseTTL bounds what leases are asked for, in seconds; a member raises what is too short.
	leastTTL, mostTTL = 1, 6
)

func (k Leases) bodies() []body {
	return paced(or(k.Clients, 4), or(k.Rate, 15), func(c *client, _ int) {
		l := &leases{client: c}
		for c.next() {
			l.step()
		}
	})
}

// leases is one client with the leases that it looks after.
type leases struct {
	*client
	own []held
}

type held struct {
	id int64
	// doomed is one that is never renewed.
	doomed bool
}

func (l *leases) step() {
	if len(l.own) == 0 || len(l.own) < maxLeases && l.chance(6) {
		l.begin()
		return
	}
	i := l.random.IntN(len(l.own))
	one := l.own[i]
	switch n := l.random.IntN(16); {
	case n < 5:
		l.attach(one)
	case n < 10 && !one.doomed:
		if a, err := l.renew(one.id); err == nil && a.TTL <= 0 {
			l.forget(i)
		}
	case n < 13:
		a, err := l.timeToLive(one.id)
		if err == nil && a.TTL < 0 {
			l.forget(i)
		}
	case n == 13:
		_, _ = call(l.client, (*client).leases, pb.LeaseClient.LeaseLeases, &pb.LeaseLeasesRequest{})
	case n == 14 && !one.doomed:
		// What is revoked is renewed and written to once more now and then: it must not be there.
		if _, err := l.revoke(one.id); (err == nil || refusal(err)) && l.chance(2) {
			l.forget(i)
		}
	default:
		_, _ = l.read(prefixRequest(leasePrefix))
	}
}

func (l *leases) forget(i int) { l.own = slices.Delete(l.own, i, i+1) }

// begin grants a lease. One whose grant was not answered is looked after as well: it may be there.
func (l *leases) begin() {
	id, ttl, doomed := l.lease(), leastTTL+l.random.Int64N(mostTTL-leastTTL+1), l.chance(3)
	if _, err := l.grant(id, ttl); err != nil && refusal(err) {
		return
	}
	l.own = append(l.own, held{id, doomed})
}

// attach writes a key with a lease; it may take the key from another lease, of another client.
func (l *leases) attach(one held) {
	key := fmt.Sprint(leasePrefix, "k", l.random.IntN(leaseKeys))
	r := putRequest(key, l.value())
	r.Lease = one.id
	if l.chance(4) {
		_, _ = l.txn(guarded(key, compareLease(key, 0), putOp(r)))
		return
	}
	_, _ = l.put(r)
}

func (l *leases) timeToLive(id int64) (*pb.LeaseTimeToLiveResponse, error) {
	r := &pb.LeaseTimeToLiveRequest{ID: id, Keys: l.chance(2)}
	return call(l.client, (*client).leases, pb.LeaseClient.LeaseTimeToLive, r)
}
