package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3lockpb"
	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
)

// forget makes the outcome of an operation unknown.
func forget(r *history.Record, i int) {
	op := &r.Operations[i]
	op.Outcome, op.Response, op.Return = history.Unknown, nil, op.Call+ms
}

func decided(t *testing.T, r *history.Record) {
	t.Helper()
	check.Run(t.Context(), r, check.Options{})
	for _, v := range r.Verdicts {
		if len(v.Findings) > 0 || v.Check == "linearizable" && v.Skipped != "" {
			t.Errorf("%s: %s%s", v.Check, texts(v), v.Skipped)
		}
	}
}

// Operations of unknown outcome are looked for in the log, whatever they are, and then they happened where it says.
func TestUnknownOperationsAreFoundInTheLog(t *testing.T) {
	s := mixed(6, 300)
	s.do(0, &pb.DeleteRangeRequest{Key: []byte("k"), RangeEnd: []byte("l")})
	s.do(1, &pb.LeaseGrantRequest{ID: 9, TTL: 1000})
	s.do(1, &pb.PutRequest{Key: []byte("k1"), Value: []byte("on a lease"), Lease: 9})
	s.do(2, &pb.LeaseRevokeRequest{ID: 9})
	r := s.end()
	for i := range r.Operations {
		switch r.Operations[i].Request.(type) {
		case *pb.RangeRequest:
		default:
			if i%2 == 0 || i > 300 {
				forget(r, i)
			}
		}
	}
	decided(t, r)
}

// What was not done is not taken for done: a read that shows it is found.
func TestUnknownOperationsThatWereNotDone(t *testing.T) {
	s := newScribe(3)
	few(s)
	r := s.end()
	r.Operations = append(r.Operations, history.Operation{Client: 7, Member: "m0", Call: 5 * time.Second, Return: 9 * time.Second, Outcome: history.Unknown, Request: put("k0", "never")})
	decided(t, r)
	answer[*pb.RangeResponse](r, 5).Kvs[0].Value = []byte("never")
	if v := judge(t, "linearizable", r, check.Options{}); len(v.Findings) != 1 {
		t.Errorf("found %q", texts(v))
	}
}

// Without a log the search has to find out by itself what was done.
func TestUnknownOperationsWithoutALog(t *testing.T) {
	s := newScribe(3)
	few(s)
	r := s.end()
	forget(r, 4)
	r.Watches = nil
	if v := judge(t, "linearizable", r, check.Options{}); !v.Passed() {
		t.Errorf("%s%s", texts(v), v.Skipped)
	}
	answer[*pb.RangeResponse](r, 5).Kvs[0].Value = []byte("x")
	if v := judge(t, "linearizable", r, check.Options{}); len(v.Findings) != 1 {
		t.Errorf("found %q", texts(v))
	}
}

// Behind a hole of the log nothing is known of leases, and that is said.
func TestAHoleIsSaid(t *testing.T) {
	s := newScribe(3)
	s.leased(7, 5)
	few(s)
	r := s.end()
	forget(r, 3) // a put, which nobody has heard of now
	for i := range 3 {
		leaveOut(r, i, 4)
	}
	if v := judge(t, "linearizable", r, check.Options{}); !strings.Contains(v.Skipped, "4") {
		t.Errorf("judged %q, skipped %q, found %q", v.Judged, v.Skipped, texts(v))
	}
	if v := judge(t, "divergence", r, check.Options{}); !strings.Contains(v.Judged, "nobody has heard of 4") {
		t.Errorf("judged %q", v.Judged)
	}
}

// A lock takes its key before it has an answer, and may give it back.
func TestPartsOfLocks(t *testing.T) {
	s := newScribe(3)
	s.do(0, &pb.LeaseGrantRequest{ID: 7, TTL: 1000})
	key := "lock/7"
	begin := s.now
	taken := request(&pb.PutRequest{Key: []byte(key), Lease: 7})
	next, _, _ := s.state.Do(taken)
	s.apply(next, s.state.Events(taken))
	s.do(1, put("k", "a"))
	given := request(&pb.DeleteRangeRequest{Key: []byte(key)})
	next, _, _ = s.state.Do(given)
	s.apply(next, s.state.Events(given))
	s.do(1, get(key))
	r := s.end()
	r.Operations = append(r.Operations, history.Operation{Client: 9, Member: "m0", Call: begin, Return: s.now, Outcome: history.Unknown,
		Request: &v3lockpb.LockRequest{Name: []byte("lock"), Lease: 7}})
	decided(t, r)
}

// A watch that has no first revision begins while it is made.
func TestAWatchMayHearOfWhatHappensWhileItIsMade(t *testing.T) {
	s := newScribe(3)
	few(s)
	w := s.watch("m1", &pb.WatchCreateRequest{Key: []byte("k0")})
	_, response := hearing(s.Record, 0, 5)
	response = proto.CloneOf(response)
	response.Events[0].PrevKv = nil
	s.hear(w, response)
	decided(t, s.end())
}

// A violation among many operations comes with a picture of the place.
func TestAViolationHasAPicture(t *testing.T) {
	r := mixed(6, 1000).end()
	for i := 700; ; i++ {
		if a, ok := r.Operations[i].Response.(*pb.RangeResponse); ok && len(a.Kvs) > 0 {
			answer[*pb.RangeResponse](r, i).Kvs[0].Version++
			break
		}
	}
	dir := t.TempDir()
	v := judge(t, "linearizable", r, check.Options{Dir: dir})
	if len(v.Findings) != 1 || v.Findings[0].Picture == "" || len(v.Findings[0].Operations) == 0 {
		t.Fatalf("found %+v", v)
	}
	info, err := os.Stat(filepath.Join(dir, v.Findings[0].Picture))
	if err != nil || info.Size() == 0 || info.Size() > 1<<20 {
		t.Errorf("%v, %v", info, err)
	}
}
