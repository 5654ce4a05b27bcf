package check_test

import (
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"

	"google.golang.org/protobuf/proto"
)

func request(m proto.Message) model.Request { return model.Request{Message: m} }

func (s *scribe) leased(id, ttl int64) {
	s.do(0, &pb.LeaseGrantRequest{ID: id, TTL: ttl})
	s.do(1, &pb.PutRequest{Key: []byte("leased"), Value: []byte("l"), Lease: id})
}

// under is a write under the lock whose key has a create revision.
func under(key string, fence int64, value string) *pb.TxnRequest {
	return &pb.TxnRequest{
		Compare: []*pb.Compare{{Key: []byte(key), Target: pb.Compare_CREATE, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_CreateRevision{CreateRevision: fence}}},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: put("guarded", value)}}},
	}
}

func (s *scribe) lock(client int, id int64, key string) (fence int64) {
	s.do(client, &pb.LeaseGrantRequest{ID: id, TTL: 1000})
	s.do(client, &pb.PutRequest{Key: []byte(key), Value: []byte("holder"), Lease: id})
	return s.state.Revision()
}

func fault(kind string, injected, healed time.Duration, members ...string) history.Fault {
	return history.Fault{Kind: kind, Members: members, Injected: injected, Healed: healed, Proof: "it was seen"}
}

// paused is a record in which nothing is written for some time, and a fault.
func paused(pause time.Duration, faults ...history.Fault) func(*scribe) *history.Record {
	return func(s *scribe) *history.Record {
		s.do(0, put("k", "a"))
		s.now += pause
		s.do(0, put("k", "b"))
		s.Faults = faults
		return s.end()
	}
}

var stateRules = []rule{
	{"other hashes", "hashes", "found 0000004d at m0 and 00000001 at m2", spoiled(func(r *history.Record) { r.Ends[2].Hash = 1 })},
	{"another last revision", "hashes", "expected one last revision", spoiled(func(r *history.Record) { r.Ends[2].Revision++ })},
	{"another compacted revision", "hashes", "expected one compacted revision", spoiled(func(r *history.Record) { r.Ends[2].CompactRevision = 3 })},
	{"a member that says nothing", "hashes", "expected m1 to say what it holds", spoiled(func(r *history.Record) { r.Ends[1].Error = "no answer" })},
	{"an alarm", "hashes", "expected no member to be corrupt", spoiled(func(r *history.Record) { r.States[1].Alarms = []string{"CORRUPT"} })},

	{"a member that is not known everywhere", "members", "expected m1 to list the members m0, m1, m2, found m0, m1", spoiled(func(r *history.Record) {
		r.Ends[1].Members = []string{"m0", "m1"}
	})},

	{"a lease that ends early", "leases", "expected it to live for 5s", func(s *scribe) *history.Record {
		s.leased(7, 5)
		s.now += 2 * time.Second
		s.expire(7)
		return s.end()
	}},
	{"a lease that ends early, in the order of things", "linearizable", "the time of the lease is not over", func(s *scribe) *history.Record {
		s.leased(7, 5)
		s.now += 2 * time.Second
		s.expire(7)
		return s.end()
	}},
	{"a lease that is renewed and ends early", "leases", "expected it to live for 5s", func(s *scribe) *history.Record {
		s.leased(7, 5)
		s.now += 4 * time.Second
		s.do(2, &pb.LeaseKeepAliveRequest{ID: 7})
		s.now += 4 * time.Second
		s.expire(7)
		return s.end()
	}},
	{"a lease without keys that is gone early", "leases", "answered with -1", func(s *scribe) *history.Record {
		s.do(0, &pb.LeaseGrantRequest{ID: 7, TTL: 5})
		s.now += time.Second
		i := s.do(1, &pb.LeaseTimeToLiveRequest{ID: 7})
		s.Operations[i].Response = &pb.LeaseTimeToLiveResponse{ID: 7, TTL: -1}
		return s.end()
	}},
	{"a lease that does not end", "leases", "expected it to be over by", func(s *scribe) *history.Record {
		s.leased(7, 5)
		s.now += time.Minute
		s.expire(7)
		return s.end()
	}},
	{"a key that outlives its lease", "leases", "found its key \"leased\" at the end", func(s *scribe) *history.Record {
		s.leased(7, 5)
		s.now += time.Minute
		return s.end()
	}},
	{"a renewal after the end", "leases", "expected it to be gone since", func(s *scribe) *history.Record {
		s.leased(7, 5)
		s.do(1, &pb.LeaseRevokeRequest{ID: 7})
		s.now += time.Second
		i := s.do(2, &pb.LeaseKeepAliveRequest{ID: 7})
		s.Operations[i].Response = &pb.LeaseKeepAliveResponse{ID: 7, TTL: 5}
		return s.end()
	}},
	{"a revoke that leaves a key", "leases", "expected its keys to be gone", func(s *scribe) *history.Record {
		s.leased(7, 1000)
		s.do(1, &pb.LeaseRevokeRequest{ID: 7})
		again := request(put("leased", "l"))
		again.Message.(*pb.PutRequest).Lease = 7
		s.state = s.state.Granted(again.Message)
		s.do(2, again.Message.(*pb.PutRequest))
		return s.end()
	}},

	{"two holders of a lock", "locks", "while \"lock/1\"", func(s *scribe) *history.Record {
		s.lock(0, 1, "lock/1")
		second := s.lock(1, 2, "lock/2")
		s.do(1, under("lock/2", second, "x"))
		return s.end()
	}},
	{"a former holder that writes", "locks", "by holders that follow each other", func(s *scribe) *history.Record {
		first := s.lock(0, 1, "lock/1")
		second := s.lock(1, 2, "lock/2")
		s.do(1, under("lock/2", second, "x"))
		s.do(0, under("lock/1", first, "y"))
		return s.end()
	}},

	{"no write at all", "available", "expected writes to be acknowledged", func(s *scribe) *history.Record {
		s.do(0, get("k"))
		return s.end()
	}},
	{"a pause without a fault", "available", "within 5s of the write before", paused(7 * time.Second)},
	{"a pause after the death of one", "available", "of the begin of kill of m1", paused(9*time.Second, fault("kill", 2*time.Second, 20*time.Second, "m1"))},
	{"a pause after the return of a majority", "available", "within 10s of the end of kill of m1, m2", paused(30*time.Second, fault("kill", 2*time.Second, 15*time.Second, "m1", "m2"))},
	{"a fault without proof", "faults", "expected a proof that kill of m1", spoiled(func(r *history.Record) { r.Faults = []history.Fault{{Kind: "kill", Members: []string{"m1"}}} })},
}
