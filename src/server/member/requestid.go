package member

import (
	"sync/atomic"
	"time"
)

// requestIDs makes ids that are unique among members and over restarts: the low 16 bits of the member id, 40 bits of
// the milliseconds since 1970 at the start, and 8 bits of counter that carry into the time. A member that made more than
// 256 ids a millisecond for its whole life would have to restart within it to repeat one.
type requestIDs struct {
	prefix uint64
	suffix atomic.Uint64
}

func newRequestIDs(member uint64, start time.Time) *requestIDs {
	ids := &requestIDs{prefix: member << 48}
	ids.suffix.Store(uint64(start.UnixMilli()) & (1<<40 - 1) << 8)
	return ids
}

func (ids *requestIDs) next() uint64 { return ids.prefix | ids.suffix.Add(1)&(1<<48-1) }
