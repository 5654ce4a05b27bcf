// Package cluster runs members of quoin as real processes for the end-to-end suites: their files in a temporary
// directory, their ports on the loopback interface.
package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"quoin.dev/client"
)

// readyTimeout bounds how long a member may take to say that it is ready.
const readyTimeout = time.Minute

// Options of a new cluster.
type Options struct {
	Members int
	// Flags are given to every member behind those that the cluster needs.
	Flags []string
	// Program, if set, is what the members run instead of quoin: a package of this repository with the same flags.
	Program string
	// Secure, if set, makes all URLs https, and returns the settings with which clients connect, for each connection anew. The
	// flags of the members have to say which certificates they show.
	Secure func() *tls.Config
}

// Cluster is a set of members that know each other.
type Cluster struct {
	Members []*Member
	dir     string
	initial string
	binary  string
	flags   []string
	secure  func() *tls.Config
	made    int         // members so far, for their names
	held    []io.Closer // the ports of members, until the end
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
	c := &Cluster{dir: dir, binary: binary, flags: o.Flags, secure: o.Secure}
	ports, err := c.reserve(2 * o.Members)
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
	for _, port := range c.held {
		_ = port.Close()
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
	return client.New(client.Config{Endpoints: endpoints, DialTimeout: readyTimeout, GetTLS: c.secure, Logger: zap.NewNop()})
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
