package model

import (
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

const (
	// MinTTL is the shortest TTL of a member with the usual timeouts, in seconds: one and a half elections, rounded up.
	MinTTL = 2
	// maxTTL is the longest one, in seconds.
	maxTTL = 9_000_000_000
	// grace is by how many seconds a new leader may let a lease live longer.
	grace = 1
)

// over tells whether the time of a lease may be over at a time. It is not while a renewal counts that was answered.
func (l lease) over(at time.Duration) bool { return at >= l.renewed+time.Duration(l.ttl)*time.Second }

// expiring is the state without those leases of a request that may have ended without a sign; nil if there are none.
func (s *State) expiring(r Request) *State {
	var next *State
	for _, id := range leasesOf(r.Message) {
		l, ok := s.leases.Get(leaseKey(id))
		if ok && l.over(r.Return) && len(s.attached(id)) == 0 {
			if next == nil {
				next = s
			}
			next = next.withoutLease(id)
		}
	}
	return next
}

// leasesOf are the leases that must exist, or must not, for a request.
func leasesOf(m any) []int64 {
	switch r := m.(type) {
	case *pb.PutRequest:
		if r.Lease != 0 {
			return []int64{r.Lease}
		}
	case *pb.TxnRequest:
		var all []int64
		for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
			for _, op := range ops {
				if p := op.GetRequestPut(); p != nil {
					all = append(all, leasesOf(p)...)
				}
				if t := op.GetRequestTxn(); t != nil {
					all = append(all, leasesOf(t)...)
				}
			}
		}
		return all
	case *pb.LeaseGrantRequest:
		return []int64{r.ID}
	case *pb.LeaseRevokeRequest:
		return []int64{r.ID}
	}
	return nil
}

func (s *State) grant(r *pb.LeaseGrantRequest, q Request, a Answer) outcome {
	got, _ := a.Response.(*pb.LeaseGrantResponse)
	id := r.ID
	if id == 0 {
		if id = got.GetID(); id <= 0 { // a member draws positive ones
			return outcome{next: s, response: &pb.LeaseGrantResponse{Header: header(got.GetHeader(), s.revision), ID: 1, TTL: max(r.TTL, MinTTL)}}
		}
	}
	if r.TTL > maxTTL {
		return s.refused(rpctypes.ErrGRPCLeaseTTLTooLarge)
	}
	if _, ok := s.leases.Get(leaseKey(id)); ok {
		return s.refused(rpctypes.ErrGRPCLeaseExist)
	}
	ttl := max(r.TTL, MinTTL)
	next := s.withLease(id, lease{ttl: ttl, renewed: q.Call})
	return outcome{next: next, response: &pb.LeaseGrantResponse{Header: header(got.GetHeader(), s.revision), ID: id, TTL: ttl}}
}

// revoke ends a lease, and deletes its keys at one revision.
func (s *State) revoke(r *pb.LeaseRevokeRequest, a Answer) outcome {
	if _, ok := s.leases.Get(leaseKey(r.ID)); !ok {
		return s.refused(rpctypes.ErrGRPCLeaseNotFound)
	}
	got, _ := a.Response.(*pb.LeaseRevokeResponse)
	next := s.ended(r.ID)
	return outcome{next: next, response: &pb.LeaseRevokeResponse{Header: header(got.GetHeader(), next.revision)}}
}

func (s *State) ended(id int64) *State {
	d := s.begin()
	for _, key := range s.attached(id) {
		d.drop([]byte(key))
	}
	return d.end().withoutLease(id)
}

// expire ends a lease whose time may be over.
func (s *State) expire(e *Expire, q Request) outcome {
	l, ok := s.leases.Get(leaseKey(e.Lease))
	switch {
	case !ok:
		return outcome{next: s, refusal: "there is no such lease that could end"}
	case !l.over(q.Return):
		return outcome{next: s, refusal: "the time of the lease is not over"}
	}
	return outcome{next: s.ended(e.Lease)}
}

// renew begins the time of a lease again. TTL 0 says that there is no such lease, or that its time is over.
func (s *State) renew(r *pb.LeaseKeepAliveRequest, q Request, a Answer) outcome {
	got, _ := a.Response.(*pb.LeaseKeepAliveResponse)
	want := &pb.LeaseKeepAliveResponse{Header: proto.CloneOf(got.GetHeader()), ID: r.ID}
	l, ok := s.leases.Get(leaseKey(r.ID))
	if !ok || got != nil && got.TTL == 0 && l.over(q.Return) {
		return outcome{next: s, response: want}
	}
	want.TTL = l.ttl
	l.renewed = max(l.renewed, q.Call)
	return outcome{next: s.withLease(r.ID, l), response: want}
}

// timeToLive tells what is left of a lease; -1 that there is no such lease, or that its time is over.
func (s *State) timeToLive(r *pb.LeaseTimeToLiveRequest, q Request, a Answer) outcome {
	got, _ := a.Response.(*pb.LeaseTimeToLiveResponse)
	want := &pb.LeaseTimeToLiveResponse{Header: proto.CloneOf(got.GetHeader()), ID: r.ID, TTL: -1}
	l, ok := s.leases.Get(leaseKey(r.ID))
	if !ok || got != nil && got.TTL == -1 && l.over(q.Return) {
		return outcome{next: s, response: want}
	}
	want.TTL, want.GrantedTTL = l.ttl, l.ttl
	if got != nil && got.TTL >= 0 && got.TTL <= l.ttl+grace {
		want.TTL = got.TTL
	}
	if r.Keys {
		for _, key := range s.attached(r.ID) {
			want.Keys = append(want.Keys, []byte(key))
		}
		if sameSet(want.Keys, got.GetKeys()) {
			want.Keys = got.GetKeys() // they come in any order
		}
	}
	return outcome{next: s, response: want}
}

func sameSet(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	there := map[string]bool{}
	for _, key := range a {
		there[string(key)] = true
	}
	for _, key := range b {
		if !there[string(key)] {
			return false
		}
		delete(there, string(key))
	}
	return true
}
