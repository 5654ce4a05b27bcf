package check_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
)

const ms = time.Millisecond

// scribe writes the record of a store that does everything right: each operation happens at one moment, between call and return.
type scribe struct {
	*history.Record
	state  *model.State
	now    time.Duration
	random *rand.Rand
	free   []time.Duration // when a client has its last answer
	// watches are of everything, one for each member.
	recorders []int
}

func newScribe(clients int) *scribe {
	s := &scribe{Record: &history.Record{Scenario: "made up"}, state: model.New(), random: rand.New(rand.NewPCG(3, 5)), free: make([]time.Duration, clients)}
	for i := range 3 {
		name := fmt.Sprintf("m%d", i)
		s.Members = append(s.Members, history.Member{Name: name, Program: "quoin"})
		s.recorders = append(s.recorders, s.watch(name, &pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: 1, PrevKv: true}))
	}
	return s
}

func (s *scribe) watch(member string, r *pb.WatchCreateRequest) int {
	s.Watches = append(s.Watches, history.Watch{Client: 90 + len(s.Watches), Member: member, Resumes: -1, Request: r, Opened: s.now})
	i := len(s.Watches) - 1
	s.hear(i, &pb.WatchResponse{Created: true, Header: &pb.ResponseHeader{Revision: s.state.Revision()}})
	return i
}

func (s *scribe) hear(i int, r *pb.WatchResponse) {
	s.Watches[i].Heard = append(s.Watches[i].Heard, history.Heard{At: s.now, Response: r})
}

// do lets a client ask for something, and returns the index of the operation.
func (s *scribe) do(client int, m proto.Message) int {
	s.now += ms
	op := history.Operation{Client: client, Member: fmt.Sprintf("m%d", client%3), Request: m, Outcome: history.OK,
		Call: max(s.free[client]+1, s.now-time.Duration(s.random.IntN(8_000_000))), Return: s.now + time.Duration(s.random.IntN(8_000_000))}
	s.now = max(s.now, op.Call)
	op.Return = max(op.Return, s.now)
	s.free[client] = op.Return
	request := model.Request{Message: m, Call: op.Call, Return: op.Return}
	next, response, refusal := s.state.Do(request)
	if op.Response = response; refusal != "" {
		op.Response, op.Outcome, op.Error = nil, history.Refused, refusal
	}
	s.apply(next, s.state.Events(request))
	s.Operations = append(s.Operations, op)
	return len(s.Operations) - 1
}

// apply makes a change and lets all watches hear of it.
func (s *scribe) apply(next *model.State, events []*mvccpb.Event) {
	before := s.state
	if s.state = next; before.Revision() == next.Revision() {
		return
	}
	for i := range s.Watches {
		w := &s.Watches[i]
		if w.Closed > 0 {
			continue
		}
		r := &pb.WatchResponse{Header: &pb.ResponseHeader{Revision: next.Revision()}}
		for _, e := range events {
			if model.InRange(e.Kv.Key, w.Request.Key, w.Request.RangeEnd) {
				heard := proto.CloneOf(e)
				if last, ok := before.Keys().Get(string(e.Kv.Key)); ok && w.Request.PrevKv {
					heard.PrevKv = last
				}
				r.Events = append(r.Events, heard)
			}
		}
		if len(r.Events) > 0 {
			s.now += 1
			s.hear(i, r)
		}
	}
}

// expire ends a lease.
func (s *scribe) expire(id int64) {
	next, _, _ := s.state.Do(model.Request{Message: &model.Expire{Lease: id}, Return: 24 * time.Hour})
	s.apply(next, s.state.Events(model.Request{Message: &pb.LeaseRevokeRequest{ID: id}}))
}

// end completes the record: everybody is quiet and equal.
func (s *scribe) end() *history.Record {
	s.now = max(s.now, slices.Max(s.free)) + ms
	s.Loaded, s.Duration = s.now, s.now+20*time.Second
	for i := range s.Watches {
		if s.Watches[i].Closed == 0 {
			s.Watches[i].Closed = s.Duration
		}
	}
	for _, m := range s.Members {
		s.Ends = append(s.Ends, history.End{Member: m.Name, Revision: s.state.Revision(), Hash: 77, HashRevision: s.state.Revision()})
		s.States = append(s.States, history.State{At: s.Loaded - 1, Member: m.Name, Alive: true})
	}
	slices.SortStableFunc(s.Operations, func(a, b history.Operation) int { return int(a.Call - b.Call) })
	return s.Record
}

func put(key, value string) *pb.PutRequest {
	return &pb.PutRequest{Key: []byte(key), Value: []byte(value)}
}

func get(key string) *pb.RangeRequest { return &pb.RangeRequest{Key: []byte(key)} }

// mixed is a record of many operations of all kinds.
func mixed(clients, operations int) *scribe {
	s := newScribe(clients)
	single := s.watch("m1", &pb.WatchCreateRequest{Key: []byte("k1"), StartRevision: 2})
	s.do(0, &pb.LeaseGrantRequest{ID: 5, TTL: 100000})
	for i := range operations {
		client := s.random.IntN(clients)
		key := fmt.Sprintf("k%d", s.random.IntN(6))
		value := fmt.Sprintf("c%d-%d", client, i)
		switch s.random.IntN(10) {
		case 0, 1, 2:
			s.do(client, put(key, value))
		case 3:
			s.do(client, &pb.DeleteRangeRequest{Key: []byte(key), PrevKv: true})
		case 4:
			s.do(client, &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l"), Limit: 3})
		case 5:
			s.do(client, &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l"), Revision: max(1, s.state.Revision()-5)})
		case 6:
			s.do(client, swap(key, s.state.Revision()-int64(s.random.IntN(4)), value))
		case 7:
			s.do(client, &pb.PutRequest{Key: []byte(key), Value: []byte(value), Lease: 5, PrevKv: true})
		default:
			s.do(client, get(key))
		}
	}
	s.hear(single, &pb.WatchResponse{Header: &pb.ResponseHeader{Revision: s.state.Revision()}})
	return s
}

// swap puts a value if the key was changed last at a revision, else reads it.
func swap(key string, revision int64, value string) *pb.TxnRequest {
	return &pb.TxnRequest{
		Compare: []*pb.Compare{{Key: []byte(key), Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_ModRevision{ModRevision: revision}}},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: put(key, value)}}},
		Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: get(key)}}},
	}
}

// judge lets one check judge a record.
func judge(t *testing.T, name string, r *history.Record, o check.Options) history.Verdict {
	t.Helper()
	for _, c := range check.All() {
		if c.Name == name {
			return c.Judge(context.Background(), r, o)
		}
	}
	t.Fatalf("there is no check %q", name)
	return history.Verdict{}
}

func texts(v history.Verdict) string {
	var all []string
	for _, f := range v.Findings {
		all = append(all, f.Text)
	}
	return strings.Join(all, "\n")
}
