package netfault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Condition is how a link is. The zero value is that of a good one.
type Condition struct {
	// Drop lets nothing through.
	Drop bool
	// Reset answers every TCP packet with a reset, and ends all connections of the link when it is set.
	Reset bool
	// DropOverBytes drops IP packets that are longer: what is short still gets through, as where a router on the path has a smaller
	// MTU and does not tell. 0: no limit.
	DropOverBytes int
	// LossPercent of the packets are lost, at random.
	LossPercent int
	// BytesPerSecond is what the link carries. What comes faster waits; what finds too much waiting is dropped. 0: no limit.
	BytesPerSecond int
	// Delay is how much later packets arrive.
	Delay time.Duration
	// Jitter is how far the delay of a packet may be from Delay, up and down.
	Jitter time.Duration
	// Reorder lets packets overtake each other when their delays say so. Without it the order is kept.
	Reorder bool
}

func (c Condition) shaped() bool { return c.Delay > 0 || c.BytesPerSecond > 0 }

func (c Condition) validate() error {
	switch {
	case c.Drop && c != (Condition{Drop: true}), c.Reset && c != (Condition{Reset: true}):
		return errors.New("what is dropped or reset can have no other condition")
	case c.LossPercent < 0 || c.LossPercent > 100:
		return fmt.Errorf("a loss of %d percent", c.LossPercent)
	case c.DropOverBytes < 0 || c.BytesPerSecond < 0 || c.Delay < 0:
		return errors.New("a negative length, rate or delay")
	case c.Delay > maxDelay:
		return fmt.Errorf("a delay of %s is more than %s", c.Delay, maxDelay)
	case c.Jitter < 0 || c.Jitter > c.Delay:
		return fmt.Errorf("a jitter of %s with a delay of %s", c.Jitter, c.Delay)
	}
	return nil
}

// String says it in words, such as "100ms late, 5 % lost".
func (c Condition) String() string {
	var words []string
	add := func(yes bool, format string, args ...any) {
		if yes {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(c.Drop, "dropped")
	add(c.Reset, "reset")
	add(c.DropOverBytes > 0, "dropped if longer than %d bytes", c.DropOverBytes)
	add(c.LossPercent > 0, "%d %% lost", c.LossPercent)
	add(c.BytesPerSecond > 0, "%d bytes/s", c.BytesPerSecond)
	add(c.Delay > 0 && c.Jitter == 0, "%s late", c.Delay)
	add(c.Delay > 0 && c.Jitter > 0, "%s ± %s late", c.Delay, c.Jitter)
	add(c.Delay > 0 && c.Jitter > 0 && c.Reorder, "out of order")
	if len(words) == 0 {
		return "good"
	}
	return strings.Join(words, ", ")
}

// Count is what a condition has done something to.
type Count struct {
	Packets, Bytes uint64
	// Connections are those that were ended when the condition was set.
	Connections int
}

// None tells whether nothing was done.
func (c Count) None() bool { return c == Count{} }

func (c Count) plus(d Count) Count {
	return Count{Packets: c.Packets + d.Packets, Bytes: c.Bytes + d.Bytes, Connections: c.Connections + d.Connections}
}

// String is as in "12 packets (3400 bytes)".
func (c Count) String() string {
	text := fmt.Sprintf("%d packets (%d bytes)", c.Packets, c.Bytes)
	if c.Connections > 0 {
		text += fmt.Sprintf(" and %d connections", c.Connections)
	}
	return text
}
