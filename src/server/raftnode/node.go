// Package raftnode runs the consensus core of one member.
//
// One goroutine owns the raft.RawNode; nothing else touches it. Work reaches it through the inbox, and leaves it on three
// ways that never wait for each other:
//
//	            ┌──────────────▶ network        messages that promise nothing about the disk
//	inbox ─▶ core ─▶ appender ─▶ WAL, one sync ─▶ answers that were waiting for that sync ─▶ network, inbox
//	            └──────────────▶ applier ─▶ state machine ─▶ inbox
//
// The core therefore keeps accepting proposals and acknowledgements while a sync is under way, and everything that
// arrived meanwhile shares the next sync. This is the AsyncStorageWrites contract of go.etcd.io/raft: an answer that
// depends on stable storage is attached to the append it depends on, and the appender releases it after the sync.
package raftnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"quoin.dev/pkg/stall"
)

// Limits of one node.
const (
	// maxMessageBytes bounds the entries of one MsgApp, and of one forwarded MsgProp.
	maxMessageBytes = 1 << 20
	// maxInflightMessages bounds the MsgApps sent to one follower before it acknowledges any.
	maxInflightMessages = 512
	// maxApplyingBytes bounds committed entries handed to the applier and not yet applied.
	maxApplyingBytes = 32 << 20
	// maxUncommittedBytes bounds the entries of a leader that are not applied yet; proposals beyond it wait in the inbox.
	maxUncommittedBytes = 64 << 20
	// maxPendingProposals and maxPendingProposalBytes bound what waits in the inbox for a leader.
	maxPendingProposals     = 20_000
	maxPendingProposalBytes = 256 << 20
	// urgentFactor is how many times of that are for urgent proposals, so that they get in where others do not.
	urgentFactor = 2
)

// ErrTooManyProposals means that the inbox is full; the proposal was not taken and may be repeated.
var ErrTooManyProposals = errors.New("raftnode: too many pending proposals")

// ErrStopped means that the node is stopping; whether a proposal was taken is unknown.
var ErrStopped = errors.New("raftnode: stopped")

// WAL is the part of the write-ahead log that the appender needs.
type WAL interface {
	// Append writes without making durable.
	Append(state *raftpb.HardState, entries []*raftpb.Entry) error
	// Sync makes everything appended durable.
	Sync() error
}

// Machine is the state machine. Its methods are called by one goroutine, in log order.
type Machine interface {
	// Apply applies committed entries.
	Apply(entries []*raftpb.Entry)
	// Install replaces the whole state by a snapshot whose data has already been received and recorded.
	Install(snapshot *raftpb.Snapshot)
}

// Config is everything a node needs. All fields are required unless they say otherwise.
type Config struct {
	ID uint64
	// TickInterval is the heartbeat interval; ElectionTicks of them without a leader start an election.
	TickInterval  time.Duration
	ElectionTicks int
	PreVote       bool
	// Storage holds the log in memory. It must contain what the WAL and the last snapshot held at the start.
	Storage *raft.MemoryStorage
	// Applied is the index of the snapshot the node starts from; entries after it are handed to Machine again.
	Applied uint64
	// Bootstrap lists the first members of a new cluster; empty for a member that has a log already.
	Bootstrap []raft.Peer

	WAL     WAL
	Machine Machine
	// SaveSnapshot makes a received snapshot's metadata durable before the node relies on it.
	SaveSnapshot func(*raftpb.Snapshot) error
	// Send hands messages to the network and returns at once.
	Send func([]*raftpb.Message)
	// SendSnapshot ships the state machine to the target of a MsgSnap, and reports how that went through ReportSnapshot.
	SendSnapshot func(*raftpb.Message)
	// LeaderChanged is called from the core when the known leader or the term changes; it must not block.
	LeaderChanged func(leader, term uint64)
	// ReadReady is called from the core with the answer to ReadIndex; it must not block.
	ReadReady func(raft.ReadState)
	// Fatal is called once when the disk fails; the process must end without acknowledging anything else.
	Fatal  func(error)
	Logger *zap.Logger
}

// Node is a running member of the raft group.
type Node struct {
	cfg   Config
	raw   *raft.RawNode
	inbox inbox
	// held are proposals that raft could not take, because there is no leader to give them to or because it leaves.
	// blocked says that it is too early to try again, and refusedAt how much was applied when raft refused a change of
	// membership, nil if it did not. All are of the core alone.
	held      []Proposal
	blocked   bool
	young     bool // of the core alone: the only voter leads, but not for long enough
	refusedAt *uint64
	appends   queue[appendWork]
	applies   queue[applyWork]
	meter     Meter
	stopOnce  sync.Once
	stop      chan struct{}
	done      sync.WaitGroup

	leader, term, commit atomic.Uint64
	alone                atomic.Bool       // see CommitAlone
	lastState            *raftpb.HardState // of the appender alone
	writing              stall.Watch       // the appender, from what is queued to its sync
	unfit                atomic.Bool       // this member should not lead
	vacancy              vacancy           // of the core alone
	lost                 bool              // of the core alone: this member's log is not the one it has promised
}

// New returns a node that does nothing until Run, so that what it calls back can hold it by then. It returns an error when
// the log cannot be the log of this member.
func New(cfg Config) (*Node, error) {
	raw, err := raft.NewRawNode(&raft.Config{
		ID:                        cfg.ID,
		ElectionTick:              cfg.ElectionTicks,
		HeartbeatTick:             1,
		Storage:                   cfg.Storage,
		Applied:                   cfg.Applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             maxMessageBytes,
		MaxCommittedSizePerReady:  maxApplyingBytes,
		MaxUncommittedEntriesSize: maxUncommittedBytes,
		MaxInflightMsgs:           maxInflightMessages,
		CheckQuorum:               true,
		PreVote:                   cfg.PreVote,
		ReadOnlyOption:            raft.ReadOnlySafe,
		DisableProposalForwarding: false,
		Logger:                    raftLogger{cfg.Logger.WithOptions(zap.AddCallerSkip(1)).Sugar()},
	})
	if err != nil {
		return nil, fmt.Errorf("raftnode: start: %w", err)
	}
	if len(cfg.Bootstrap) > 0 {
		if err := raw.Bootstrap(cfg.Bootstrap); err != nil {
			return nil, fmt.Errorf("raftnode: bootstrap: %w", err)
		}
	}
	n := &Node{cfg: cfg, raw: raw, stop: make(chan struct{})}
	n.inbox.wake = make(chan struct{}, 1)
	n.appends.init()
	n.applies.init()
	return n, nil
}

// Run starts the goroutines of the node.
func (n *Node) Run() {
	n.publishStatus()
	n.done.Go(n.runCore)
	n.done.Go(n.runAppender)
	n.done.Go(n.runApplier)
}

// Stop ends the node and waits for its goroutines; entries that were not yet synced may be lost, as after a crash.
func (n *Node) Stop() {
	n.stopOnce.Do(func() {
		close(n.stop)
		n.appends.close()
		n.applies.close()
	})
	n.done.Wait()
}

// Leader is the member that this node believes to lead, 0 if none. Term and Commit likewise are a recent view.
func (n *Node) Leader() uint64 { return n.leader.Load() }

// Term is the current raft term.
func (n *Node) Term() uint64 { return n.term.Load() }

// Commit is the highest log index known to be committed.
func (n *Node) Commit() uint64 { return n.commit.Load() }

// CommitAlone is the commit index if this node leads and is the only voter: then nothing is committed that it does not know of,
// and nobody has to be asked.
func (n *Node) CommitAlone() (index uint64, ok bool) {
	if !n.alone.Load() {
		return 0, false
	}
	return n.commit.Load(), true
}

// Proposal is an entry on its way into the log.
type Proposal struct {
	Data []byte
	Type raftpb.EntryType
	// Owner, if not nil, can withdraw the proposal for as long as raft has not taken it.
	Owner Owner
	// Urgent goes ahead of what is not, and has its own half of the room where proposals wait.
	Urgent bool
	// Term, if not 0, is the only one in which this node proposes it, as its leader; otherwise it is dropped without a word.
	Term uint64
}

// Owner is who waits for a proposal.
type Owner interface {
	// Gone reports whether nobody waits any more; from then on it stays true.
	Gone() bool
	// Taken is called by the core when raft takes the proposal in a term: into the log of this node, which leads, or to forward
	// it. It may be called again after TakeBack or another Propose, and must not block.
	Taken(term uint64, logged bool)
}

// Propose queues p and returns. Its fate is learned from what is applied.
func (n *Node) Propose(p Proposal) error { return n.inbox.addProposal(p) }

// TakeBack holds proposals that were forwarded, and of which it is certain that nothing has left this member, until the next
// tick or another leader. Those that there is no room for are dropped.
func (n *Node) TakeBack(proposals []Proposal) {
	n.inbox.addCall(func(*raft.RawNode) {
		for _, p := range proposals {
			if n.inbox.admit(p) {
				n.held = append(n.held, p)
			}
		}
		// At once they would take the same way again, which is closed.
		n.blocked = n.leader.Load() != n.cfg.ID
	})
}

// Step queues a message from another member.
func (n *Node) Step(m *raftpb.Message) { n.inbox.addMessages(m) }

// ReadIndex asks for the commit index as of now, confirmed by a quorum. The answer reaches ReadReady with the same
// token, or never does.
func (n *Node) ReadIndex(token []byte) { n.inbox.addRead(token) }

// ReportUnreachable tells raft that messages to id are being lost.
func (n *Node) ReportUnreachable(id uint64) {
	n.inbox.addCall(func(raw *raft.RawNode) { raw.ReportUnreachable(id) })
}

// ReportSnapshot tells raft whether the snapshot sent to id arrived.
func (n *Node) ReportSnapshot(id uint64, ok bool) {
	status := raft.SnapshotFailure
	if ok {
		status = raft.SnapshotFinish
	}
	n.inbox.addCall(func(raw *raft.RawNode) { raw.ReportSnapshot(id, status) })
}

// Campaign starts an election now; a single member needs not wait for its election timeout.
func (n *Node) Campaign() {
	n.inbox.addCall(func(raw *raft.RawNode) { _ = raw.Campaign() })
}

// Probe returns once the core has taken what was before it, or ctx ends.
func (n *Node) Probe(ctx context.Context) error {
	answered := make(chan struct{})
	n.inbox.addCall(func(*raft.RawNode) { close(answered) })
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.stop:
		return nil
	}
}

// SkipWait shortens the first wait for a leader: who starts has not heard of one for longer than it has been counting.
func (n *Node) SkipWait() {
	n.inbox.addCall(func(raw *raft.RawNode) {
		// Two ticks are left for a leader that is there to show itself, and raft's random part keeps members apart.
		for left := n.cfg.ElectionTicks - 2; left > 0; left-- {
			if s := raw.BasicStatus(); s.Lead != raft.None || s.RaftState != raft.StateFollower {
				return
			}
			raw.Tick()
		}
	})
}

// TransferLeader asks the leader to hand over to target. It may be asked again, since the first time may come to nothing: a
// member does not stand for election while it has a change of membership to apply.
func (n *Node) TransferLeader(target uint64) {
	n.inbox.addCall(func(raw *raft.RawNode) {
		if raw.BasicStatus().LeadTransferee == target {
			raw.TransferLeader(n.cfg.ID) // ends the one that is under way, which else would last an election timeout
		}
		raw.TransferLeader(target)
	})
}

// ApplyConfChange makes a committed configuration change effective and returns the new configuration. The state machine
// calls it while it applies the entry.
func (n *Node) ApplyConfChange(change raftpb.ConfChangeI) *raftpb.ConfState {
	return call(n, func(raw *raft.RawNode) *raftpb.ConfState {
		state := raw.ApplyConfChange(change)
		n.lookAround()
		return state
	})
}

// Status returns raft's own view, with the progress of followers when this node leads.
func (n *Node) Status() raft.Status {
	return call(n, func(raw *raft.RawNode) raft.Status { return raw.Status() })
}

// call runs f in the core and waits for it; after Stop it returns the zero value.
func call[T any](n *Node, f func(*raft.RawNode) T) T {
	result := make(chan T, 1)
	n.inbox.addCall(func(raw *raft.RawNode) { result <- f(raw) })
	select {
	case v := <-result:
		return v
	case <-n.stop:
		var zero T
		return zero
	}
}
