package runner

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/history"
)

const (
	// sampleEvery is how often members are asked how they are, and sampleTimeout how long an answer may take.
	sampleEvery   = 250 * time.Millisecond
	sampleTimeout = 200 * time.Millisecond
	// probeEvery is how often members are asked for something that the others have a part in, and probeTimeout how long it may take.
	probeEvery   = 400 * time.Millisecond
	probeTimeout = time.Second
)

// monitor writes down how members are, from the outside.
type monitor struct {
	cluster *cluster.Cluster
	access  cluster.Access
	now     func() time.Duration

	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex // guards what follows
	known  map[string]bool
	states []history.State
}

func startMonitor(c *cluster.Cluster, access cluster.Access, now func() time.Duration) *monitor {
	m := &monitor{cluster: c, access: access, now: now, known: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	m.workers.Go(func() {
		ticker := time.NewTicker(sampleEvery)
		defer ticker.Stop()
		for ctx.Err() == nil {
			for _, member := range c.Members() {
				m.follow(ctx, member)
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	})
	return m
}

// follow begins to ask a member that was not known.
func (m *monitor) follow(ctx context.Context, member *cluster.Member) {
	m.mu.Lock()
	known := m.known[member.Name]
	m.known[member.Name] = true
	m.mu.Unlock()
	if known {
		return
	}
	answered := new(atomic.Bool)
	m.again(ctx, member, sampleEvery, func(conn *client.Client) { m.sample(ctx, member, conn, answered) })
	m.again(ctx, member, probeEvery, func(conn *client.Client) {
		if member.Running() && !member.Paused() && probe(ctx, conn) == nil {
			answered.Store(true)
		}
	})
}

// again does something with a member until the context ends.
func (m *monitor) again(ctx context.Context, member *cluster.Member, every time.Duration, do func(*client.Client)) {
	m.workers.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		conn, err := m.cluster.Client(m.access, member)
		if err != nil {
			return
		}
		defer conn.Close()
		for ctx.Err() == nil {
			do(conn)
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	})
}

// probe reads a key that need not be there.
func probe(ctx context.Context, conn *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := conn.Get(ctx, "head")
	return err
}

func (m *monitor) sample(ctx context.Context, member *cluster.Member, conn *client.Client, answered *atomic.Bool) {
	state := history.State{At: m.now(), Member: member.Name, Alive: member.Running(), Paused: member.Paused(), Answered: answered.Swap(false)}
	if state.Alive && !state.Paused {
		ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
		status, err := conn.Status(ctx, member.ClientURL)
		cancel()
		if err == nil {
			describe(&state, (*pb.StatusResponse)(status))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = append(m.states, state)
}

func describe(state *history.State, status *pb.StatusResponse) {
	state.Role = "follower"
	switch {
	case status.IsLearner:
		state.Role = "learner"
	case status.Leader == status.Header.MemberId:
		state.Role = "leader"
	}
	state.Leader, state.Term, state.Revision = status.Leader, status.RaftTerm, status.Header.Revision
	state.Committed, state.Applied, state.SizeBytes = status.RaftIndex, status.RaftAppliedIndex, status.DbSize
	state.Alarms = status.Errors
}

// stop ends the monitor and returns what it saw, by time.
func (m *monitor) stop() []history.State {
	m.cancel()
	m.workers.Wait()
	slices.SortStableFunc(m.states, func(a, b history.State) int { return int(a.At - b.At) })
	return m.states
}

// roles tells in a few letters how all members are now: L leads, f follows, l learns, p hangs, x is down, ? does not say.
func (m *monitor) roles() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var text []byte
	for _, member := range m.cluster.Members() {
		letter := byte('?')
		for _, s := range slices.Backward(m.states) {
			if s.Member == member.Name {
				letter = letterOf(s)
				break
			}
		}
		text = append(text, letter)
	}
	return string(text)
}

func letterOf(s history.State) byte {
	switch {
	case !s.Alive:
		return 'x'
	case s.Paused:
		return 'p'
	case s.Role == "":
		return '?'
	case s.Role == "leader":
		return 'L'
	default:
		return s.Role[0]
	}
}
