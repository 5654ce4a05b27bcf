package watch

import "quoin.dev/pkg/meter"

// Meter is what a hub has counted.
type Meter struct {
	Events meter.Counter // taken out of the streams, to be sent
}

// Meter is what the hub has counted.
func (h *Hub) Meter() *Meter { return &h.meter }

// Counts is how much is being watched, and how much of it waits.
type Counts struct {
	Streams, Watchers int
	// Behind is how many of the watchers catch up.
	Behind int
	// WaitingEvents and WaitingBytes are in the streams, until their clients take them.
	WaitingEvents, WaitingBytes int
	// InboxBytes of changes wait for the dispatcher.
	InboxBytes int
}

// Counts looks at every stream.
func (h *Hub) Counts() Counts {
	h.inbox.mu.Lock()
	c := Counts{InboxBytes: h.inbox.bytes}
	h.inbox.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	c.Streams, c.Behind, c.Watchers = len(h.open), h.late.count, h.late.count+h.upToDate.count
	for s := range h.open {
		s.mu.Lock()
		c.WaitingEvents += s.events
		c.WaitingBytes += s.bytes
		s.mu.Unlock()
	}
	return c
}
