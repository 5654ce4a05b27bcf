// Package cluster runs members of quoin as real processes for the end-to-end suites: their files in a temporary
// directory, their ports on the loopback interface.
package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"quoin.dev/client"
)

// readyTimeout bounds how long a member may take to say that it is ready.
const readyTimeout = 30 * time.Second

// Options of a new cluster.
type Options struct {
	Members int
	// Flags are given to every member behind those that the cluster needs.
	Flags []string
	// Program, if set, is what the members run instead of quoin: a package of this repository with the same flags.
	Program string
}

// Cluster is a set of members that know each other.
type Cluster struct {
	Members []*Member
	dir     string
	initial string
	binary  string
	flags   []string
	made    int // members so far, for their names
}

// New makes a cluster of members that are not started yet.
func New(o Options) (*Cluster, error) {
	binary, err := Build(cmp.Or(o.Program, "quoin.dev/server/cmd/quoin"))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "quoin-e2e-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, binary: binary, flags: o.Flags}
	ports, err := freePorts(2 * o.Members)
	if err != nil {
		return nil, err
	}
	var initial []string
	for i := range o.Members {
		m := c.newMember(ports[2*i], ports[2*i+1])
		initial = append(initial, m.Name+"="+m.PeerURL)
		c.Members = append(c.Members, m)
	}
	c.initial = strings.Join(initial, ",")
	for _, m := range c.Members {
		m.initial = c.initial
	}
	return c, nil
}

// Start starts all members and waits until each is ready.
func (c *Cluster) Start() error {
	for _, m := range c.Members {
		if err := m.Launch(); err != nil {
			return err
		}
	}
	for _, m := range c.Members {
		if err := m.WaitReady(readyTimeout); err != nil {
			return err
		}
	}
	return nil
}

// Close kills what still runs and removes all files.
func (c *Cluster) Close() {
	for _, m := range c.Members {
		_ = m.Kill()
	}
	_ = os.RemoveAll(c.dir)
}

// Endpoints are the client URLs of all members.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, m := range c.Members {
		all = append(all, m.ClientURL)
	}
	return all
}

// Client connects to all members, or to the given ones only.
func (c *Cluster) Client(members ...*Member) (*client.Client, error) {
	endpoints := c.Endpoints()
	if len(members) > 0 {
		endpoints = nil
		for _, m := range members {
			endpoints = append(endpoints, m.ClientURL)
		}
	}
	// Calls fail on purpose in these suites; their errors are looked at, not logged.
	return client.New(client.Config{Endpoints: endpoints, DialTimeout: readyTimeout, Logger: zap.NewNop()})
}

// Leader returns the member that leads, as the members themselves say.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	for {
		for _, m := range c.Members {
			if !m.Running() {
				continue
			}
			if leads, err := m.leads(ctx); err == nil && leads {
				return m, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no member says that it leads: %w", ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}

// pollInterval is how often a condition outside of this process is looked at.
const pollInterval = 50 * time.Millisecond

// freePorts asks the kernel for ports that nobody uses.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// builds remembers what was built already.
var builds struct {
	sync.Mutex
	dir   string
	paths map[string]string
}
