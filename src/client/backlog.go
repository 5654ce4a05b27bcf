package client

import "sync"

const (
	// backlogBytes bounds what is kept for a slow reader of a watch, but for the response that goes beyond it.
	backlogBytes = 32 << 20
	// eventBytes is about what an event costs beside its keys and values, and a response beside its events.
	eventBytes = 256
)

// backlog is what has come for a watch and has not been read yet. The zero value is empty, but for wake.
type backlog struct {
	wake chan struct{} // has a token when there is something to take

	mu      sync.Mutex // guards what follows
	waiting []WatchResponse
	bytes   int
	full    bool // since add said so, until take says that half is read
	over    bool // nothing comes any more
}

// add puts a response at the end and reports whether there should be no more of them for now.
func (b *backlog) add(r WatchResponse) (full bool) {
	b.mu.Lock()
	b.waiting = append(b.waiting, r)
	b.bytes += size(&r)
	b.full = b.full || b.bytes > backlogBytes
	full = b.full
	b.mu.Unlock()
	b.notify()
	return full
}

// end lets the reader know that nothing comes after what is there.
func (b *backlog) end() {
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
	b.notify()
}

func (b *backlog) notify() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// taken is what take found.
type taken struct {
	response WatchResponse
	found    bool
	over     bool // there is nothing, and nothing will come
	low      bool // more may be added again
}

// take removes the first response.
func (b *backlog) take() (t taken) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return taken{over: b.over}
	}
	t.response, t.found = b.waiting[0], true
	b.waiting[0] = WatchResponse{}
	b.waiting = b.waiting[1:]
	b.bytes -= size(&t.response)
	if b.full && b.bytes <= backlogBytes/2 {
		b.full, t.low = false, true
	}
	return t
}

// size is about what a response takes in memory.
func size(r *WatchResponse) int {
	n := eventBytes
	for _, e := range r.Events {
		n += eventBytes + len(e.Kv.GetKey()) + len(e.Kv.GetValue()) + len(e.PrevKv.GetKey()) + len(e.PrevKv.GetValue())
	}
	return n
}
