package balance

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestTrouble(t *testing.T) {
	now := time.Unix(1000, 0)
	tr := trouble{now: func() time.Time { return now }}
	fail := func(code codes.Code) { tr.done(balancer.DoneInfo{Err: status.Error(code, "")}) }

	for _, code := range []codes.Code{codes.InvalidArgument, codes.Canceled, codes.NotFound, codes.Unknown} {
		if fail(code); tr.active() {
			t.Errorf("avoided after %v, which says nothing about the member", code)
		}
	}
	tr.done(balancer.DoneInfo{Err: status.Error(codes.DeadlineExceeded, ""), BytesReceived: true})
	tr.done(balancer.DoneInfo{Err: errors.New("other")})
	if tr.active() {
		t.Error("avoided although it answered")
	}
	// Each failure in a row doubles the time, up to its bound; failures of the same moment count once.
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		fail(codes.Unavailable)
		fail(codes.DeadlineExceeded)
		if now = now.Add(want*time.Second - 1); !tr.active() {
			t.Fatalf("not avoided just before %d s", want)
		}
		if now = now.Add(1); tr.active() {
			t.Fatalf("avoided after %d s", want)
		}
	}
	tr.done(balancer.DoneInfo{})
	fail(codes.Unavailable)
	if now = now.Add(avoidFirst); tr.active() {
		t.Error("a success did not reset the time")
	}
}

// conn is a connection that a test can tell from others.
type conn struct {
	balancer.SubConn
	number int
}

func TestPickerAvoidsTrouble(t *testing.T) {
	now := time.Now()
	troubles := make([]trouble, 3)
	var p picker
	for i := range troubles {
		troubles[i].now = func() time.Time { return now }
		p.healthy = append(p.healthy, choice{conn{number: i}, &troubles[i], nil})
	}
	picked := func() (n [3]int) {
		for range 30 {
			r, err := p.Pick(balancer.PickInfo{})
			if err != nil {
				t.Fatal(err)
			}
			n[r.SubConn.(conn).number]++
		}
		return n
	}
	if n := picked(); n != [3]int{10, 10, 10} {
		t.Errorf("without trouble: %v", n)
	}
	troubles[1].extend()
	if n := picked(); n != [3]int{10, 0, 20} {
		t.Errorf("with one in trouble: %v", n)
	}
	troubles[0].extend()
	troubles[2].extend()
	if n := picked(); n != [3]int{10, 10, 10} {
		t.Errorf("with all in trouble: %v", n)
	}
	if _, err := (&picker{}).Pick(balancer.PickInfo{}); err != balancer.ErrNoSubConnAvailable {
		t.Errorf("with nothing to pick: %v", err)
	}
}
