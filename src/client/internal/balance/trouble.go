package balance

import (
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A member in trouble is avoided for a second, and twice as long for each failure in a row, up to half a minute.
const (
	avoidFirst = time.Second
	avoidMost  = 30 * time.Second
)

// trouble remembers failed requests of one member, from any goroutine. A connected member can fail requests for long:
// it has lost its quorum, it is stuck on its disk, or its network swallows what it answers.
type trouble struct {
	now    func() time.Time
	inARow atomic.Int32
	until  atomic.Int64 // unix nanoseconds; 0 = none
}

// active reports whether the member is to be avoided.
func (t *trouble) active() bool {
	until := t.until.Load()
	return until != 0 && t.now().UnixNano() < until
}

func (t *trouble) clear() {
	t.inARow.Store(0)
	t.until.Store(0)
}

// done is called at the end of every request.
func (t *trouble) done(info balancer.DoneInfo) {
	switch status.Code(info.Err) {
	case codes.OK:
		if t.until.Load() != 0 {
			t.clear()
		}
	case codes.Unavailable:
		t.extend()
	case codes.DeadlineExceeded:
		// A member that sent the begin of an answer is alive; one that sent nothing in all that time may not be.
		if !info.BytesReceived {
			t.extend()
		}
	}
}

// extend counts failures that come in while the member is avoided as one: they are requests of the same moment.
func (t *trouble) extend() {
	if t.active() {
		return
	}
	avoid := min(avoidFirst<<min(t.inARow.Add(1)-1, 16), avoidMost)
	t.until.Store(t.now().Add(avoid).UnixNano())
}
