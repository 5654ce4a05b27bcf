package member

import (
	"errors"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/pkg/meter"

	"quoin.dev/server/apply"
	"quoin.dev/server/lease"
	"quoin.dev/server/membership"
	"quoin.dev/server/peer"
	"quoin.dev/server/raftnode"
	"quoin.dev/server/watch"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc"
	"quoin.dev/storage/snap"
	"quoin.dev/storage/wal"
)

// Meter is what a member and its parts have counted since the process started. A received snapshot does not set it back.
type Meter struct {
	WAL     *wal.Meter
	Snap    *snap.Meter
	Backend *backend.Meter
	KV      *mvcc.Meter
	Peers   *peer.Meter
	Leases  *lease.Meter
	Watches *watch.Meter
	Node    *raftnode.Meter

	// Requests is how long requests of clients took that got an answer, whatever that said. Applies is for entries of the log,
	// and Reads for the part of a range that reads, without its wait for that.
	Requests, Applies, Reads *Outcomes
	// Refused counts requests that were not taken, by the reason.
	Refused         Labelled
	ProposalsFailed meter.Counter // no answer, and no refusal either
	SlowApplies     meter.Counter
	SlowReadIndexes meter.Counter // questions for the read index that had to be asked again
	FailedReads     meter.Counter // rounds of them without an answer
	Stalls          meter.Counter // times that the disk did not answer for an election timeout
	// Promotions of learners by this member, as the leader; the failed ones by the reason.
	Promotions       meter.Counter
	FailedPromotions Labelled
	// MemberWrites count changes of the member list by what they did, RefusedWrites those that were refused, and MemberReads
	// how often the list was put into a snapshot.
	MemberWrites, RefusedWrites Labelled
	MemberReads                 meter.Counter
}

func newMeter() *Meter {
	long := meter.Seconds(100*time.Microsecond, 20)
	return &Meter{
		WAL: wal.NewMeter(), Snap: snap.NewMeter(), Backend: backend.NewMeter(), KV: mvcc.NewMeter(), Peers: new(peer.Meter),
		Requests: newOutcomes(meter.Seconds(time.Millisecond, 14)), Applies: newOutcomes(long), Reads: newOutcomes(long),
	}
}

// Meter is what the member has counted.
func (m *Member) Meter() *Meter { return m.meter }

// Outcomes are durations by the kind of work and its success.
type Outcomes struct {
	layout meter.Layout
	kinds  sync.Map // *outcomes by kind
}

type outcomes struct{ ok, failed *meter.Histogram }

func newOutcomes(l meter.Layout) *Outcomes { return &Outcomes{layout: l} }

// Observe counts a piece of work of a kind; there must not be many kinds.
func (o *Outcomes) Observe(kind string, ok bool, d time.Duration) {
	known, found := o.kinds.Load(kind)
	if !found {
		known, _ = o.kinds.LoadOrStore(kind, &outcomes{meter.New(o.layout), meter.New(o.layout)})
	}
	if h := known.(*outcomes); ok {
		h.ok.Observe(d)
	} else {
		h.failed.Observe(d)
	}
}

// Each calls f for what there was any of.
func (o *Outcomes) Each(f func(kind string, ok bool, s meter.Snapshot)) {
	o.kinds.Range(func(kind, h any) bool {
		for ok, h := range map[bool]*meter.Histogram{true: h.(*outcomes).ok, false: h.(*outcomes).failed} {
			if s := h.Snapshot(); s.Count > 0 {
				f(kind.(string), ok, s)
			}
		}
		return true
	})
}

// Labelled is counters by a label, of which there must not be many. The zero value works.
type Labelled struct{ by sync.Map } // *meter.Counter by label

// Inc counts one more with a label.
func (l *Labelled) Inc(label string) {
	c, found := l.by.Load(label)
	if !found {
		c, _ = l.by.LoadOrStore(label, new(meter.Counter))
	}
	c.(*meter.Counter).Inc()
}

// Each calls f for each label that there was.
func (l *Labelled) Each(f func(label string, n uint64)) {
	l.by.Range(func(label, c any) bool {
		f(label.(string), c.(*meter.Counter).Load())
		return true
	})
}

// Reasons why a request is not taken.
const (
	refusedLag      = "apply_lag" // too much is committed and not applied
	refusedInFlight = "in_flight" // too much is under way
	refusedQueue    = "queue"     // too much waits for a leader
	refusedSize     = "too_large"
	refusedSpace    = "no_space"
	refusedDiffers  = "corrupt"
)

// refuse counts a refusal by what it says. One that has another reason was not one of these bounds.
func (m *Meter) refuse(err error) error {
	for _, r := range []struct {
		err    error
		reason string
	}{
		{errLag, refusedLag}, {errInFlight, refusedInFlight}, {errQueue, refusedQueue},
		{ErrRequestTooLarge, refusedSize}, {apply.ErrNoSpace, refusedSpace}, {ErrDiffers, refusedDiffers},
	} {
		if errors.Is(err, r.err) {
			m.Refused.Inc(r.reason)
			break
		}
	}
	return err
}

// unanswered counts a request whose fate is not known.
func (m *Meter) unanswered(p pending) {
	m.ProposalsFailed.Inc()
	if p.kind != "" {
		m.Requests.Observe(p.kind, false, time.Since(p.start))
	}
}

// promoted counts a promotion by its outcome. Only known errors are labels of their own: some tell of addresses.
func (m *Meter) promoted(err error) {
	switch {
	case err == nil:
		m.Promotions.Inc()
		return
	case errors.Is(err, ErrNotLeader), errors.Is(err, ErrStopped):
		return // asked elsewhere, or nowhere
	}
	for _, known := range answersPromotion {
		if errors.Is(err, known) {
			m.FailedPromotions.Inc(known.Error())
			return
		}
	}
	m.FailedPromotions.Inc("other")
}

// effects and changes name changes of the member list, applied and refused ones.
var (
	effects = map[membership.EffectKind]string{
		membership.Added: "create", membership.Removed: "delete", membership.Updated: "update", membership.Promoted: "update",
	}
	changes = map[raftpb.ConfChangeType]string{
		raftpb.ConfChangeAddNode: "create", raftpb.ConfChangeAddLearnerNode: "create",
		raftpb.ConfChangeRemoveNode: "delete", raftpb.ConfChangeUpdateNode: "update",
	}
)
