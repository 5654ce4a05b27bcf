// Package stall tells for how long something has been under way that should take a moment only.
package stall

import (
	"sync/atomic"
	"time"
)

// Watch looks at one operation at a time, which begins and ends on one goroutine; others may look at the same time. The zero
// value works.
type Watch struct{ begun atomic.Pointer[time.Time] }

// Begin says that the operation begins.
func (w *Watch) Begin() {
	now := time.Now()
	w.begun.Store(&now)
}

// End says that it has ended, and returns how long it took.
func (w *Watch) End() time.Duration { return time.Since(*w.begun.Swap(nil)) }

// For is for how long the present operation has been under way; 0 if none is.
func (w *Watch) For(now time.Time) time.Duration {
	begun := w.begun.Load()
	if begun == nil {
		return 0
	}
	return now.Sub(*begun)
}
