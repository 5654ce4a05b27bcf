package netfault

import (
	"container/heap"
	"time"
)

// heldPacket is one that the kernel keeps until it is told what to do with it.
type heldPacket struct {
	id          uint32
	lengthBytes int
	due         time.Time
	lane        *lane
}

// held are the packets that wait, the one that may go first in front; of those that may go together, the one that came first.
type held struct {
	packets []heldPacket
	bytes   int
}

func (h *held) Len() int { return len(h.packets) }

func (h *held) Less(i, j int) bool {
	a, b := h.packets[i], h.packets[j]
	if a.due.Equal(b.due) {
		// The kernel counts its packets, and the count may start anew at 0.
		return int32(a.id-b.id) < 0
	}
	return a.due.Before(b.due)
}

func (h *held) Swap(i, j int) { h.packets[i], h.packets[j] = h.packets[j], h.packets[i] }

func (h *held) Push(x any) { h.packets = append(h.packets, x.(heldPacket)) }

func (h *held) Pop() any {
	last := len(h.packets) - 1
	p := h.packets[last]
	h.packets = h.packets[:last]
	return p
}

func (h *held) add(p heldPacket) {
	h.bytes += p.lengthBytes
	heap.Push(h, p)
}

// next is when the first may go.
func (h *held) next() (time.Time, bool) {
	if len(h.packets) == 0 {
		return time.Time{}, false
	}
	return h.packets[0].due, true
}

// takeDue removes those that may go by now, in their order, and returns their ids.
func (h *held) takeDue(now time.Time) []uint32 {
	var ids []uint32
	for len(h.packets) > 0 && !h.packets[0].due.After(now) {
		p := heap.Pop(h).(heldPacket)
		h.bytes -= p.lengthBytes
		ids = append(ids, p.id)
	}
	return ids
}

// free lets the packets of lanes go at once that are no more.
func (h *held) free(kept func(*lane) bool) {
	for i := range h.packets {
		if !kept(h.packets[i].lane) {
			h.packets[i].due = time.Time{}
		}
	}
	heap.Init(h)
}
