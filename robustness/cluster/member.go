package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"quoin.dev/quoin/robustness/node"
)

// Ports are the same on every node.
const (
	clientPort = 2379
	peerPort   = 2380
)

// Member is one member, and the node that it is on. Its methods may be called from many goroutines; starts, stops and the like wait for
// each other, except that Kill interrupts a Stop.
type Member struct {
	// Name, ClientURL, PeerURL and LogFile stay. LogFile holds what all its processes said.
	Name, ClientURL, PeerURL, LogFile string

	cluster *Cluster
	node    node.Node
	initial []string // the flags that say which cluster it founds or joins

	starting sync.Mutex     // held while a process is started or the data are changed; taken before mu
	ending   sync.WaitGroup // done when it is written down how the present process has ended

	mu      sync.Mutex // guards what follows
	program Program
	dataDir string
	seenDir string // where the program sees dataDir
	disks   int    // how many data directories it has had
	paused  bool
	lives   []*Life // the last one is that of the present process
}

// Life is one process of a member.
type Life struct {
	Started, Ended time.Time // Ended is zero while it runs
	// Stopped and Killed: it was sent SIGTERM or SIGKILL. It may have ended before, by itself.
	Stopped, Killed bool
	ExitCode        int   // -1 after a signal
	LogFrom         int64 // where its log begins
}

// newMember makes a member with a node, a data directory and a log of its own.
func (c *Cluster) newMember(ctx context.Context, p Program) (*Member, error) {
	c.mu.Lock()
	name := fmt.Sprint("m", c.made)
	c.made++
	c.mu.Unlock()
	n, err := c.options.Host.New(ctx, name)
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if c.certs != nil {
		scheme = "https"
		if err := c.certs.issue(name, n.Addr()); err != nil {
			return nil, err
		}
	}
	m := &Member{
		Name:      name,
		ClientURL: fmt.Sprintf("%s://%s:%d", scheme, n.Addr(), clientPort),
		PeerURL:   fmt.Sprintf("%s://%s:%d", scheme, n.Addr(), peerPort),
		LogFile:   filepath.Join(c.options.Dir, name+".log"),
		cluster:   c, node: n, program: p,
	}
	return m, m.newDisk()
}

// newDisk gives the member an empty data directory.
func (m *Member) newDisk() error {
	m.mu.Lock()
	backing := filepath.Join(m.cluster.options.Dir, m.Name+".data")
	if m.disks > 0 {
		backing = fmt.Sprint(backing, m.disks)
	}
	m.mu.Unlock()
	if err := os.MkdirAll(backing, 0o700); err != nil {
		return fmt.Errorf("data directory of %s: %w", m.Name, err)
	}
	seen := backing
	if m.cluster.options.Disk != nil {
		var err error
		if seen, err = m.cluster.options.Disk(m.Name, backing); err != nil {
			return fmt.Errorf("disk of %s: %w", m.Name, err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dataDir, m.seenDir, m.disks = backing, seen, m.disks+1
	return nil
}

// Node is where it runs.
func (m *Member) Node() node.Node { return m.node }

// Program is what it runs, or will run at its next start.
func (m *Member) Program() Program {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.program
}

// Replace changes the program that runs from the next start on: an upgrade, or the way to another implementation.
func (m *Member) Replace(p Program) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.program = p
}

// DataDir is where its files are on the lab's machine, behind any Disk. Wipe changes it.
func (m *Member) DataDir() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dataDir
}

// Wipe takes all data from a member that does not run, as if its disk had been replaced.
func (m *Member) Wipe() error {
	m.starting.Lock()
	defer m.starting.Unlock()
	if m.Running() {
		return fmt.Errorf("wipe %s: it runs", m.Name)
	}
	old := m.DataDir()
	if err := m.newDisk(); err != nil {
		return err
	}
	return removeContent(old)
}

// args are its flags.
func (m *Member) args() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	args := []string{
		"--name=" + m.Name, "--data-dir=" + m.seenDir,
		"--listen-client-urls=" + m.ClientURL, "--advertise-client-urls=" + m.ClientURL,
		"--listen-peer-urls=" + m.PeerURL, "--initial-advertise-peer-urls=" + m.PeerURL,
	}
	if m.cluster.certs != nil {
		args = append(args, m.cluster.certs.flags(m.Name)...)
	}
	return slices.Concat(args, m.initial, defaultFlags, m.cluster.options.Flags)
}

// Launch starts the process and returns once it has a PID.
func (m *Member) Launch(ctx context.Context) error {
	m.starting.Lock()
	defer m.starting.Unlock()
	if m.Running() {
		return fmt.Errorf("start %s: it runs", m.Name)
	}
	m.ending.Wait() // the node knows the exit code of one process only
	o := m.cluster.options
	m.mu.Lock()
	m.paused = false
	life := &Life{Started: time.Now(), LogFrom: size(m.LogFile)}
	c := node.Command{Binary: m.program.Binary, Env: o.Env, LogFile: m.LogFile, Dirs: slices.Concat([]string{m.seenDir}, o.Dirs)}
	m.mu.Unlock()
	c.Args = m.args()
	if m.cluster.certs != nil {
		c.Dirs = append(c.Dirs, m.cluster.certs.dir)
	}
	if err := m.node.Start(ctx, c); err != nil {
		return err
	}
	m.follow(life)
	return nil
}

// follow writes down how the process that was started ends. The lock of starts is held.
func (m *Member) follow(life *Life) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lives = append(m.lives, life)
	ended := m.node.Ended()
	m.ending.Go(func() {
		<-ended
		m.mu.Lock()
		defer m.mu.Unlock()
		life.Ended, life.ExitCode = time.Now(), m.node.ExitCode()
	})
}

// Lives are all processes that it has had, after a start that is under way.
func (m *Member) Lives() []Life {
	m.starting.Lock()
	defer m.starting.Unlock()
	if !m.Running() {
		m.ending.Wait()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Life
	for _, life := range m.lives {
		all = append(all, *life)
	}
	return all
}

// logStart is where the log of the present process begins, or of the last one. The lock is held.
func (m *Member) logStart() int64 {
	if len(m.lives) == 0 {
		return 0
	}
	return m.lives[len(m.lives)-1].LogFrom
}

func size(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Start starts the process and waits until the member is ready.
func (m *Member) Start(ctx context.Context) error {
	if err := m.Launch(ctx); err != nil {
		return err
	}
	return m.WaitReady(ctx)
}

// Running tells whether its process is there.
func (m *Member) Running() bool { return m.node.PID() != 0 }

// Paused tells whether it is held by Pause.
func (m *Member) Paused() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.paused
}

// Stop asks the process to end (SIGTERM), waits for it, and returns how long it took.
func (m *Member) Stop(ctx context.Context) (time.Duration, error) { return m.end(ctx, syscall.SIGTERM) }

// Kill ends the process without warning (SIGKILL) and waits for it. It is no error if nothing runs.
func (m *Member) Kill(ctx context.Context) error {
	_, err := m.end(ctx, syscall.SIGKILL)
	return err
}

func (m *Member) end(ctx context.Context, s syscall.Signal) (time.Duration, error) {
	begin := time.Now()
	ended := m.told(s)
	if err := m.node.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-ended:
		return time.Since(begin), nil
	case <-ctx.Done():
		return time.Since(begin), fmt.Errorf("%s did not end within %s after signal %q: %w", m.Name, time.Since(begin).Round(time.Millisecond), s, ctx.Err())
	}
}

// told writes down that the present process is to end, unless it has ended already, and returns what is closed then.
func (m *Member) told(s syscall.Signal) (ended <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended = m.node.Ended()
	select {
	case <-ended:
		return ended
	default:
	}
	if len(m.lives) > 0 {
		life := m.lives[len(m.lives)-1]
		life.Stopped, life.Killed = life.Stopped || s == syscall.SIGTERM, life.Killed || s == syscall.SIGKILL
	}
	return ended
}

// Pause stops the process where it is (SIGSTOP), and returns once it stands: to the others it looks like one that hangs.
func (m *Member) Pause(ctx context.Context) error {
	if err := m.node.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	m.mu.Lock()
	m.paused = true
	m.mu.Unlock()
	return m.waitState(ctx, true)
}

// Resume ends a Pause, and returns once the process runs on.
func (m *Member) Resume(ctx context.Context) error {
	if err := m.node.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	m.mu.Lock()
	m.paused = false
	m.mu.Unlock()
	return m.waitState(ctx, false)
}
