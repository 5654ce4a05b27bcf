package report

import (
	"fmt"
	"testing"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/history"
)

// puts are writes that are answered at once, at these milliseconds; a negative one is not answered.
func puts(times ...int) []history.Operation {
	var list []history.Operation
	for _, t := range times {
		o := history.Operation{Request: &pb.PutRequest{}, Outcome: history.OK}
		if t < 0 {
			t, o.Outcome = -t, history.Unknown
		}
		o.Call, o.Return = time.Duration(t)*time.Millisecond, time.Duration(t)*time.Millisecond
		list = append(list, o)
	}
	return list
}

func TestGapsAreTimesInWhichWritesWereAskedForAndNotAcknowledged(t *testing.T) {
	var often []int
	for at := 0; at <= 1000; at += 10 {
		often = append(often, at)
	}
	for name, c := range map[string]struct {
		operations []history.Operation
		want       string
	}{
		"none":              {puts(often...), "[]"},
		"in the middle":     {puts(append(often, 3000, 3010)...), "[{1000 3000}]"},
		"no answer at all":  {puts(-100, -2000), "[{100 2000}]"},
		"no answer at last": {puts(append(often, -1700)...), "[{1000 1700}]"},
		"nothing asked":     {append(puts(often...), history.Operation{Request: &pb.RangeRequest{}, Call: time.Hour}), "[]"},
		"a slow load":       {puts(0, 600, 1200, 1800), "[]"},
		"no operation":      {nil, "[]"},
	} {
		u := newAvailability(&history.Record{Operations: c.operations}).unavailable()
		if got := fmt.Sprint(u.Gaps); got != c.want {
			t.Errorf("%s: %s instead of %s", name, got, c.want)
		}
	}
}

func TestAFaultIsChargedWithThePausesUntilTheNextOne(t *testing.T) {
	a := newAvailability(&history.Record{Operations: puts(0, 10, 20, 900, 910, 2900, 2910, 9000)})
	faults := a.faults([]history.Fault{
		{Injected: 100 * time.Millisecond, Healed: 950 * time.Millisecond},
		{Injected: 1000 * time.Millisecond, Healed: 1000 * time.Millisecond},
		{Injected: 2905 * time.Millisecond},
	})
	want := [][2]float64{{800, 1950}, {1900, 1900}, {6090, -1}}
	// Between the second injection and the last write lie 1.9 s, and behind it a longer pause until the third.
	for i, f := range faults {
		if [2]float64{f.LongestMS, f.RecoveredMS} != want[i] {
			t.Errorf("fault %d: longest %v, recovered after %v; want %v", i+1, f.LongestMS, f.RecoveredMS, want[i])
		}
	}
}

func TestATransactionIsAWriteByTheBranchThatItTook(t *testing.T) {
	write := []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{}}}}
	nested := []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Failure: write}}}}
	for _, c := range []struct {
		request *pb.TxnRequest
		answer  *pb.TxnResponse
		want    bool
	}{
		{&pb.TxnRequest{Success: write}, &pb.TxnResponse{Succeeded: true}, true},
		{&pb.TxnRequest{Success: write}, &pb.TxnResponse{}, false},
		{&pb.TxnRequest{Failure: nested}, &pb.TxnResponse{}, true},
		{&pb.TxnRequest{Failure: write}, nil, true},
		{&pb.TxnRequest{}, nil, false},
	} {
		o := history.Operation{Request: c.request}
		if c.answer != nil {
			o.Response = c.answer
		}
		if got := isWrite(o); got != c.want {
			t.Errorf("%v answered with %v: %v", c.request, c.answer, got)
		}
	}
}

func TestPercentilesAreTimesThatWere(t *testing.T) {
	var took []time.Duration
	for i := 1000; i > 0; i-- {
		took = append(took, time.Duration(i)*time.Millisecond)
	}
	if got, want := latency(took), (Latency{500, 900, 990, 999, 1000}); got != want {
		t.Errorf("%v", got)
	}
	if got, want := latency(took[:1]), (Latency{1, 1, 1, 1, 1}); got != want {
		t.Errorf("%v", got)
	}
	if got := latency(nil); got != (Latency{}) {
		t.Errorf("%v", got)
	}
}
