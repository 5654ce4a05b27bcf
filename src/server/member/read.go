package member

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
)

// readRetryInterval is after how long an unanswered read index request is asked again.
const readRetryInterval = 500 * time.Millisecond

// reads lets linearizable reads wait until this member has applied everything that was committed when they came
// (raft thesis, section 6.4). All reads that arrive while one question is under way share the next.
type reads struct {
	ask     func(token []byte)    // sends a question to the leader
	alone   func() (uint64, bool) // the commit index if there is nobody to ask, or nil
	nextID  func() uint64
	applied *applyWatch
	meter   *Meter

	wake chan struct{} // capacity 1: next is not empty

	mu   sync.Mutex // guards next
	next *readRound

	answers chan raft.ReadState // capacity answersBuffered; answers beyond it are lost and asked again
	changed chan struct{}       // capacity 1: the leader or the term changed
	stopped chan struct{}       // closed once run has returned: nothing is answered any more
}

// readRound is one question and everybody who shares its answer.
type readRound struct {
	readers int           // guarded by reads.mu until the question is asked
	done    chan struct{} // closed when err is set
	ended   sync.Once
	err     error
}

// end tells all readers; only the first call counts.
func (r *readRound) end(err error) {
	r.ended.Do(func() {
		r.err = err
		close(r.done)
	})
}

const answersBuffered = 64

func newReads(ask func([]byte), nextID func() uint64, applied *applyWatch) *reads {
	return &reads{
		ask: ask, nextID: nextID, applied: applied, meter: newMeter(),
		wake:    make(chan struct{}, 1),
		next:    &readRound{done: make(chan struct{})},
		answers: make(chan raft.ReadState, answersBuffered),
		changed: make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
}

// wait returns when a read of the local state is linearizable with respect to the time of the call.
func (r *reads) wait(ctx context.Context) error {
	if r.alone != nil {
		if index, ok := r.alone(); ok && r.applied.index() >= index {
			select {
			case <-r.stopped:
				return ErrStopped
			default:
				return nil
			}
		}
	}
	r.mu.Lock()
	round := r.next
	round.readers++
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	select {
	case <-round.done:
		return round.err
	case <-ctx.Done():
		return ctx.Err()
	case <-r.stopped:
		return ErrStopped
	}
}

// run answers rounds until stop is closed.
func (r *reads) run(stop <-chan struct{}, timeout time.Duration) {
	defer close(r.stopped)
	for {
		select {
		case <-stop:
			return
		case <-r.wake:
		}
		r.mu.Lock()
		round := r.next
		if round.readers == 0 {
			r.mu.Unlock()
			continue // the question asked last was theirs too
		}
		r.next = &readRound{done: make(chan struct{})}
		r.mu.Unlock()

		index, err := r.index(stop, timeout)
		if err != nil {
			r.meter.FailedReads.Inc()
			round.end(err)
			continue
		}
		r.await(round, index, timeout)
	}
}

// await ends a round when everything up to index is applied here. A member whose disk is stuck applies nothing, and a reader
// is told so instead of waiting for as long as that takes.
func (r *reads) await(round *readRound, index uint64, timeout time.Duration) {
	if r.applied.index() >= index {
		round.end(nil)
		return
	}
	late := time.AfterFunc(timeout, func() {
		r.meter.FailedReads.Inc()
		round.end(ErrTimeout)
	})
	r.applied.after(index, func() {
		late.Stop()
		round.end(nil)
	})
}

// index asks until it has an answer. Every attempt has a token of its own and only its own answer counts: one that was
// asked before a pause or a change of leader may be older than the read it would serve (etcd#20418, etcd#21375).
func (r *reads) index(stop <-chan struct{}, timeout time.Duration) (uint64, error) {
	drain(r.changed)
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	retry := time.NewTicker(readRetryInterval)
	defer retry.Stop()
	for {
		token := binary.BigEndian.AppendUint64(nil, r.nextID())
		r.ask(token)
	attempt:
		for {
			select {
			case a := <-r.answers:
				if string(a.RequestCtx) == string(token) {
					return a.Index, nil
				}
			case <-retry.C:
				r.meter.SlowReadIndexes.Inc()
				break attempt
			case <-r.changed:
				break attempt
			case <-deadline.C:
				return 0, ErrTimeout
			case <-stop:
				return 0, ErrStopped
			}
		}
	}
}

// answer is called by the raft core; it never blocks.
func (r *reads) answer(a raft.ReadState) {
	select {
	case r.answers <- a:
	default:
	}
}

// leaderChanged is called by the raft core; it never blocks.
func (r *reads) leaderChanged() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func drain(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}
