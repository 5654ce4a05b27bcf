package check_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
)

// rule is something that goes wrong in a record, the check that is there to find it, and a part of what it says.
type rule struct {
	name, check, says string
	spoil             func(s *scribe) *history.Record
}

// spoiled is the record of a few puts and reads by clients 0 to 2 on k0 and k1, after something was changed in it. Its operations are
// in the order in which they happened: put a, put b, put c (k1), get, put d, get.
func spoiled(spoil func(r *history.Record)) func(*scribe) *history.Record {
	return func(s *scribe) *history.Record {
		few(s)
		r := s.end()
		spoil(r)
		return r
	}
}

// few are far apart, so that each is over before the next begins.
func few(s *scribe) {
	for i, m := range []proto.Message{put("k0", "a"), put("k0", "b"), put("k1", "c"), get("k0"), put("k0", "d"), get("k0")} {
		s.now += time.Second
		s.do(i%3, m)
	}
}

// answer is that of an operation, in a copy that may be changed.
func answer[T proto.Message](r *history.Record, i int) T {
	own := proto.Clone(r.Operations[i].Response).(T)
	r.Operations[i].Response = own
	return own
}

// hearing finds where a watch hears of a revision, in a copy that may be changed.
func hearing(r *history.Record, watch int, revision int64) (int, *pb.WatchResponse) {
	w := &r.Watches[watch]
	for i, h := range w.Heard {
		if len(h.Response.Events) > 0 && h.Response.Events[0].Kv.ModRevision == revision {
			w.Heard[i].Response = proto.CloneOf(h.Response)
			return i, w.Heard[i].Response
		}
	}
	panic("there is no such revision")
}

func leaveOut(r *history.Record, watch int, revision int64) {
	i, _ := hearing(r, watch, revision)
	w := &r.Watches[watch]
	w.Heard = append(w.Heard[:i:i], w.Heard[i+1:]...)
}

func insert(r *history.Record, watch, at int, response *pb.WatchResponse) {
	w := &r.Watches[watch]
	w.Heard = append(w.Heard[:at:at], append([]history.Heard{{At: w.Heard[at-1].At + 1, Response: response}}, w.Heard[at:]...)...)
}

var answerRules = []rule{
	{"a stale read", "linearizable", "expected an order of all operations", spoiled(func(r *history.Record) {
		stale := proto.CloneOf(r.Operations[3].Response.(*pb.RangeResponse)) // the one before the last put
		r.Operations[5].Response = stale
	})},
	{"a stale read, by its revision", "realtime", "expected 5 or more", spoiled(func(r *history.Record) {
		r.Operations[5].Response = proto.CloneOf(r.Operations[3].Response.(*pb.RangeResponse))
	})},
	{"a read of another value", "linearizable", "expected RangeResponse", spoiled(func(r *history.Record) {
		answer[*pb.RangeResponse](r, 3).Kvs[0].Value = []byte("x")
	})},
	{"a read of another value, by the log", "serializable", "does not fit the log at revision 4", spoiled(func(r *history.Record) {
		answer[*pb.RangeResponse](r, 3).Kvs[0].Value = []byte("x")
	})},
	{"a serializable read of what never was", "serializable", "does not fit the log", func(s *scribe) *history.Record {
		few(s)
		i := s.do(1, &pb.RangeRequest{Key: []byte("k0"), Serializable: true})
		r := s.Record
		answer[*pb.RangeResponse](r, i).Kvs = nil
		return s.end()
	}},
	{"a read from the future", "serializable", "before that was asked for", func(s *scribe) *history.Record {
		few(s)
		i := s.do(1, &pb.RangeRequest{Key: []byte("k1"), Serializable: true})
		s.Operations[i].Call, s.Operations[i].Return = ms, 2*ms
		return s.end()
	}},
	{"a write that is acknowledged with other changes", "serializable", "expected the changes", spoiled(func(r *history.Record) {
		for i := range 3 {
			_, heard := hearing(r, i, 5)
			heard.Events[0].Kv.Value = []byte("x")
		}
	})},
	{"a write that is done twice", "asked", "found it done at revision 5 and again at revision 6", func(s *scribe) *history.Record {
		few(s)
		again := request(put("k0", "d"))
		next, _, _ := s.state.Do(again)
		s.apply(next, s.state.Events(again))
		return s.end()
	}},
	{"a write that nobody asked for", "asked", "found nobody", func(s *scribe) *history.Record {
		few(s)
		foreign := request(put("k7", "stranger"))
		next, _, _ := s.state.Do(foreign)
		s.apply(next, s.state.Events(foreign))
		return s.end()
	}},
	{"two writes at one revision", "asked", "found two that were told so", spoiled(func(r *history.Record) {
		answer[*pb.PutResponse](r, 4).Header.Revision = 3
	})},
	{"a lost update", "linearizable", "expected an order", func(s *scribe) *history.Record {
		few(s)
		first := s.do(0, swap("k0", 5, "e"))
		s.do(1, swap("k0", 5, "f")) // is too late, and says that it was not
		last := len(s.Operations) - 1
		s.Operations[last].Response = &pb.TxnResponse{Header: &pb.ResponseHeader{Revision: 7}, Succeeded: true,
			Responses: s.Operations[first].Response.(*pb.TxnResponse).Responses}
		return s.end()
	}},
	{"a refusal without reason", "linearizable", "expected", spoiled(func(r *history.Record) {
		r.Operations[3].Response, r.Operations[3].Outcome, r.Operations[3].Error = nil, history.Refused, "etcdserver: mvcc: required revision has been compacted"
	})},
	{"a write that another one took the place of", "durable", "found that revision 5 is that of operation 1", spoiled(func(r *history.Record) {
		answer[*pb.PutResponse](r, 1).Header.Revision = 5
	})},
	{"an acknowledged write behind the end", "durable", "ends at revision 4", spoiled(func(r *history.Record) { r.Ends[1].Revision = 4 })},
}

var watchRules = []rule{
	{"another event at another member", "divergence", "found two at revision 3", spoiled(func(r *history.Record) {
		_, heard := hearing(r, 2, 3)
		heard.Events[0].Kv.Value = []byte("x")
	})},
	{"events out of order", "watch-order", "expected a revision after 4, found 3", spoiled(func(r *history.Record) {
		i, _ := hearing(r, 1, 3)
		w := &r.Watches[1]
		w.Heard[i].Response, w.Heard[i+1].Response = w.Heard[i+1].Response, w.Heard[i].Response
	})},
	{"an event that comes twice", "watch-order", "expected a revision after 3, found 3", spoiled(func(r *history.Record) {
		i, heard := hearing(r, 1, 3)
		insert(r, 1, i+1, heard)
	})},
	{"a transaction in two responses", "watch-atomic", "in one response", func(s *scribe) *history.Record {
		few(s)
		both := []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: put("k2", "e")}}, {Request: &pb.RequestOp_RequestPut{RequestPut: put("k3", "f")}}}
		s.do(0, &pb.TxnRequest{Success: both})
		r := s.end()
		i, heard := hearing(r, 0, 6)
		second := proto.CloneOf(heard)
		heard.Events, second.Events = heard.Events[:1], second.Events[1:]
		insert(r, 0, i+1, second)
		return r
	}},
	{"a fragment that was not asked for", "watch-atomic", "fragments, which were not asked for", func(s *scribe) *history.Record {
		few(s)
		both := []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: put("k2", "e")}}, {Request: &pb.RequestOp_RequestPut{RequestPut: put("k3", "f")}}}
		s.do(0, &pb.TxnRequest{Success: both})
		r := s.end()
		i, heard := hearing(r, 0, 6)
		second := proto.CloneOf(heard)
		heard.Events, second.Events = heard.Events[:1], second.Events[1:]
		heard.Fragment = true
		insert(r, 0, i+1, second)
		return r
	}},
	{"an event that is left out", "watch-reliable", "expected revision 3 after 2, found 4", spoiled(func(r *history.Record) { leaveOut(r, 1, 3) })},
	{"an event of another key", "watch-reliable", "found put k1=c@4", func(s *scribe) *history.Record {
		w := s.watch("m0", &pb.WatchCreateRequest{Key: []byte("k0"), StartRevision: 1})
		few(s)
		r := s.end()
		at, _ := hearing(r, w, 3)
		_, stranger := hearing(r, 0, 4)
		stranger.Events[0].PrevKv = nil
		insert(r, w, at+1, stranger)
		return r
	}},
	{"a delete that a filter keeps out", "watch-reliable", "expected nothing at revision 6", func(s *scribe) *history.Record {
		s.watch("m0", &pb.WatchCreateRequest{Key: []byte("k0"), StartRevision: 1, Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE}})
		few(s)
		s.do(0, &pb.DeleteRangeRequest{Key: []byte("k0")})
		return s.end()
	}},
	{"the previous value of another revision", "watch-reliable", "expected the previous value", spoiled(func(r *history.Record) {
		_, heard := hearing(r, 0, 5)
		heard.Events[0].PrevKv = &mvccpb.KeyValue{Key: []byte("k0"), Value: []byte("a"), CreateRevision: 2, ModRevision: 2, Version: 1}
	})},
	{"no previous value", "watch-reliable", "found none", spoiled(func(r *history.Record) {
		_, heard := hearing(r, 0, 5)
		heard.Events[0].PrevKv = nil
	})},
	{"a gap after the place where a watch goes on", "watch-resumable", "expected revision 3 as the first one from 3 on, found 4", func(s *scribe) *history.Record {
		few(s)
		w := s.watch("m1", &pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: 3})
		s.Watches[w].Resumes = 1
		for _, revision := range []int64{4, 5} {
			_, heard := hearing(s.Record, 0, revision)
			s.hear(w, heard)
		}
		return s.end()
	}},
	{"an event before the first revision", "watch-resumable", "expected nothing before revision 4", func(s *scribe) *history.Record {
		few(s)
		w := s.watch("m1", &pb.WatchCreateRequest{Key: []byte("k0"), StartRevision: 4})
		_, heard := hearing(s.Record, 0, 3)
		s.hear(w, heard)
		return s.end()
	}},
	{"progress that overtakes an event", "watch-progress", "before revision 3 was told", spoiled(func(r *history.Record) {
		i, _ := hearing(r, 0, 3)
		insert(r, 0, i, &pb.WatchResponse{Header: &pb.ResponseHeader{Revision: 3}})
	})},
	{"an event that progress had passed", "watch-progress", "expected nothing up to revision 4", spoiled(func(r *history.Record) {
		i, _ := hearing(r, 0, 3)
		insert(r, 0, i, &pb.WatchResponse{WatchId: -1, Header: &pb.ResponseHeader{Revision: 4}})
	})},
	{"an end without reason", "watch-cancel", "expected a reason", spoiled(func(r *history.Record) {
		w := &r.Watches[1]
		w.Error = "canceled"
		w.Heard = append(w.Heard, history.Heard{At: w.Closed, Response: &pb.WatchResponse{Canceled: true}})
	})},
	{"an end by a compaction that nobody asked for", "watch-cancel", "expected the revision of a compaction", spoiled(func(r *history.Record) {
		w := &r.Watches[1]
		w.Error = "compacted"
		w.Heard = append(w.Heard, history.Heard{At: w.Closed, Response: &pb.WatchResponse{Canceled: true, CompactRevision: 100}})
	})},
	{"an end by a compaction that is behind", "watch-cancel", "expected the watch to go on at revision 6", spoiled(func(r *history.Record) {
		w := &r.Watches[1]
		w.Error = "compacted"
		w.Heard = append(w.Heard, history.Heard{At: w.Closed, Response: &pb.WatchResponse{Canceled: true, CompactRevision: 5}})
	})},
	{"an event that never arrives", "watch-delivery", "of revision 5", spoiled(func(r *history.Record) { leaveOut(r, 1, 5) })},
}

// Each rule is broken once, and the check that is meant for it finds that, and says so in its own words.
func TestEveryRuleIsGuarded(t *testing.T) {
	all := map[string]bool{}
	for _, rules := range [][]rule{answerRules, watchRules, stateRules} {
		for _, rule := range rules {
			all[rule.check] = true
			t.Run(rule.check+"/"+rule.name, func(t *testing.T) {
				v := judge(t, rule.check, rule.spoil(newScribe(3)), check.Options{Dir: t.TempDir(), AllowedLog: []string{"allowed here"}})
				if len(v.Findings) == 0 {
					t.Fatalf("nothing was found: %+v", v)
				}
				if !strings.Contains(texts(v), rule.says) {
					t.Errorf("%q is not in what was found: %s", rule.says, texts(v))
				}
			})
		}
	}
	for _, c := range check.All() {
		if !all[c.Name] && c.Name != "logs" && c.Name != "serving" { // their rules are beside them
			t.Errorf("no rule is broken that %s guards", c.Name)
		}
	}
}
