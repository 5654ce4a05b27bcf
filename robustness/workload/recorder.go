package workload

import (
	"cmp"
	"slices"
	"sync"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/history"
)

// What a recorder takes at most. Clients end when it is full, watches end with an error that says so.
const (
	maxOperations = 500_000
	maxHeard      = 1_000_000
)

// Recorder keeps what clients asked and heard. It may serve several loads of one run, one after the other or at once: it gives each
// client a number of its own.
type Recorder struct {
	mu         sync.Mutex // guards what follows, and what is in the watches
	clients    int
	operations []history.Operation
	watches    []*history.Watch
	heard      int
	share      share
}

// NewRecorder returns an empty one.
func NewRecorder() *Recorder { return &Recorder{share: newShare()} }

// Operations are those that have ended, in the order of their calls: all, after the loads were stopped.
func (r *Recorder) Operations() []history.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.operations)
	slices.SortStableFunc(all, func(a, b history.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return all
}

// Watches are those that a member has answered to.
func (r *Recorder) Watches() []history.Watch {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]history.Watch, len(r.watches))
	for i, w := range r.watches {
		all[i] = *w
		all[i].Heard = slices.Clone(w.Heard)
	}
	return all
}

func (r *Recorder) newClient() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients++
	return r.clients - 1
}

func (r *Recorder) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.operations) >= maxOperations || r.heard >= maxHeard
}

func (r *Recorder) operation(op history.Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operations = append(r.operations, op)
}

// watch begins to record a watch, and returns its place among all.
func (r *Recorder) watch(w history.Watch) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watches = append(r.watches, &w)
	return len(r.watches) - 1
}

// hear records a response to a watch.
func (r *Recorder) hear(watch int, at time.Duration, response *pb.WatchResponse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.share.events(response.Events)
	w := r.watches[watch]
	w.Heard = append(w.Heard, history.Heard{At: at, Response: response})
	r.heard++
}

// end records why a watch has ended.
func (r *Recorder) end(watch int, at time.Duration, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watches[watch].Closed, r.watches[watch].Error = at, why
}
