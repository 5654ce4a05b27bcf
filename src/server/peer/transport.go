package peer

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"
)

// Transport is one member's end of the network between members. New starts it, Stop ends it; all methods may be called
// from many goroutines.
type Transport struct {
	identity
	cfg      Config
	log      *zap.Logger
	observer Observer
	client   *client
	reports  *reporter

	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	work   sync.WaitGroup

	sending   chan struct{} // one token per snapshot being sent
	receiving chan struct{} // one token per snapshot being received

	// directory is read by Send without a lock; it is replaced as a whole, never changed.
	directory atomic.Pointer[directory]
	// mu guards replacing the directory, the start of goroutines against Stop, and toldRemoved. Nothing else is locked under it.
	mu          sync.Mutex
	stopped     bool
	toldRemoved map[uint64]bool // the members that have said that the local one was removed
}

// directory is whom the transport knows. No id is in both maps.
type directory struct {
	peers   map[uint64]*peer
	remotes map[uint64]*remote
}

func (d *directory) clone() *directory {
	return &directory{peers: maps.Clone(d.peers), remotes: maps.Clone(d.remotes)}
}

// New starts a transport that knows nobody yet. It panics when Version or MinVersion of the configuration is no version.
func New(c Config) *Transport {
	c = c.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	t := &Transport{
		identity: newIdentity(c),
		cfg:      c,
		log:      c.Logger.With(zap.String("local-member-id", formatID(c.LocalID))),
		observer: c.Observer,
		reports:  newReporter(c.Raft),
		ctx:      ctx, cancel: cancel,
		sending: make(chan struct{}, maxSnapshots), toldRemoved: map[uint64]bool{},
		receiving: make(chan struct{}, maxSnapshotsReceived),
	}
	t.client = newClient(&t.identity, c)
	t.directory.Store(&directory{peers: map[uint64]*peer{}, remotes: map[uint64]*remote{}})
	t.spawn(func() { t.reports.run(ctx) })
	return t
}

// spawn runs f in a goroutine that Stop waits for; after Stop it does nothing and returns false.
func (t *Transport) spawn(f func()) bool {
	if !t.enter() {
		return false
	}
	go func() {
		defer t.work.Done()
		f()
	}()
	return true
}

// enter makes Stop wait for the calling goroutine until it calls t.work.Done; false after Stop.
func (t *Transport) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return false
	}
	t.work.Add(1)
	return true
}

// Stop ends all traffic, closes the streams and waits for every goroutine of the transport, also for those inside
// Raft.Process, whose context has ended. It must not be called from inside a method of Raft or from OnRemoved.
func (t *Transport) Stop() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.cancel()
	t.work.Wait()
	t.client.closeIdle()
}

// Send hands messages to the members they are for and returns without waiting. Messages and their entries belong to the
// transport from then on and must not be changed. Messages to unknown members and to 0 are ignored; a snapshot is
// refused and reported as failed, since it needs its database: use SendSnapshot.
func (t *Transport) Send(msgs []*raftpb.Message) {
	d := t.directory.Load()
	for i, m := range msgs {
		if supersededByLater(m, msgs[i+1:]) {
			continue
		}
		to := m.GetTo()
		if m.GetType() == raftpb.MsgSnap {
			t.log.Error("refused to send a snapshot without its database", zap.String("remote-peer-id", formatID(to)))
			t.reports.snapshot(to, false)
		} else if p := d.peers[to]; p != nil {
			p.send(m)
		} else if r := d.remotes[to]; r != nil {
			r.send(m)
		} else if to != 0 {
			t.log.Debug("ignored a message to an unknown member", zap.String("remote-peer-id", formatID(to)))
		}
	}
}

// notSent tells raft of a proposal of which nothing was written. Everything else raft repeats by itself.
func (t *Transport) notSent(m *raftpb.Message) {
	if m.GetType() == raftpb.MsgProp {
		t.cfg.Raft.ReportUnsent(m)
	}
}

// supersededByLater says that m acknowledges no more than a later message of its batch does. Only plain acknowledgements
// of one term are compared: a rejection carries a hint that the leader needs.
func supersededByLater(m *raftpb.Message, later []*raftpb.Message) bool {
	if m.GetType() != raftpb.MsgAppResp || m.GetReject() {
		return false
	}
	for _, n := range later {
		if n.GetType() == raftpb.MsgAppResp && !n.GetReject() && n.GetTo() == m.GetTo() &&
			n.GetTerm() == m.GetTerm() && n.GetIndex() >= m.GetIndex() {
			return true
		}
	}
	return false
}

// ActiveSince returns since when a stream from member id has been up without any of its streams breaking; zero when none
// is up.
func (t *Transport) ActiveSince(id uint64) time.Time {
	if p := t.directory.Load().peers[id]; p != nil {
		return p.status.activeSince()
	}
	return time.Time{}
}

// Software returns what member id said that it is when it last answered to a request for its stream; it says nothing if it
// is etcd. known is false as long as there was no such answer.
func (t *Transport) Software(id uint64) (software string, known bool) {
	if p := t.directory.Load().peers[id]; p != nil {
		return p.status.saidToBe()
	}
	return "", false
}

// memberRemoved tells the owner, once for each member that says so, that the cluster has removed the local one.
func (t *Transport) memberRemoved(by uint64) {
	t.mu.Lock()
	again := t.toldRemoved[by]
	t.toldRemoved[by] = true
	t.mu.Unlock()
	if again {
		return
	}
	t.log.Warn("another member says that this one was removed from the cluster", zap.String("remote-peer-id", formatID(by)))
	if t.cfg.OnRemoved != nil {
		t.cfg.OnRemoved(by)
	}
}

// Handler serves the requests of other members. It covers /raft and what is below; it sets the deadlines of its
// connections itself, so the server needs only limits for headers and idle connections.
func (t *Transport) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(pathRaft, only(http.MethodPost, t.servePost))
	mux.HandleFunc(pathStream+"/", only(http.MethodGet, t.serveStream))
	mux.HandleFunc(pathSnapshot, only(http.MethodPost, t.serveSnapshot))
	mux.HandleFunc(pathProbing, serveProbing)
	return mux
}
