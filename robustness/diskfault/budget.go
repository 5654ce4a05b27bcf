package diskfault

import "sync/atomic"

// budget is the memory that all journals share.
type budget struct {
	limit     int64
	used      atomic.Int64
	overflows atomic.Int64
}

// spend takes so much, and reports whether it was there.
func (b *budget) spend(bytes int64) bool {
	if b.used.Add(bytes) <= b.limit {
		return true
	}
	b.overflows.Add(1)
	return false
}

func (b *budget) refund(bytes int64) { b.used.Add(-bytes) }
