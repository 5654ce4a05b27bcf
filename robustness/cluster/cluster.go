// Package cluster makes clusters of members of quoin and etcd on the nodes of a host. What it asks the members itself it asks over their
// client ports, as an operator would.
package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"quoin.dev/client"

	"quoin.dev/quoin/robustness/build"
	"quoin.dev/quoin/robustness/node"
)

// Program is what a member runs.
type Program struct {
	Name   string // such as "quoin" or "etcd 3.7.3"
	Binary string // the path of a static binary
}

// Build says how quoin is built.
type Build struct {
	Race bool
	Tags string
	// Overlay is the path of a file for `go build -overlay`.
	Overlay string
}

// Quoin builds the server of this repository.
func Quoin(ctx context.Context, b Build) (Program, error) {
	binary, err := build.Quoin(ctx, build.Spec{Race: b.Race, Tags: b.Tags, Overlay: b.Overlay})
	return Program{Name: "quoin", Binary: binary}, err
}

// Etcd builds the server of etcd at a version such as 3.7.3.
func Etcd(ctx context.Context, version string) (Program, error) {
	binary, err := build.Etcd(ctx, version)
	return Program{Name: "etcd " + version, Binary: binary}, err
}

// Options of a new cluster.
type Options struct {
	Host node.Host
	// Dir is the directory of the run, which gets the logs and the data of the members.
	Dir string
	// Programs are those of the members, one each.
	Programs []Program
	// Flags go to every member. They win over those that the cluster gives.
	Flags []string
	// TLS lets clients and members talk by TLS alone, with certificates on both sides.
	TLS bool
	// Env goes to every member.
	Env []string
	// Dirs are more directories that the members see.
	Dirs []string
	// Disk, if set, puts a file system in front of the data directory of a member. It is called when the member is made, and again with
	// another directory when its data are wiped, since that is like a new disk.
	Disk func(name, backing string) (mountpoint string, err error)
}

// defaultFlags let elections take a second or two, and keep all files of the log, for the checks.
var defaultFlags = []string{"--election-timeout=1000", "--heartbeat-interval=100", "--max-wals=0", "--max-snapshots=0"}

// Access is who a client is, once authentication is on.
type Access struct{ User, Password string }

// Cluster is members that know each other.
type Cluster struct {
	options Options
	certs   *certificates // nil without TLS

	mu      sync.Mutex // guards what follows
	members []*Member
	former  []*Member // those that were removed, and those that could not be added
	made    int       // members so far, for their names
	access  Access
}

// New makes a cluster whose members are not started yet.
func New(ctx context.Context, o Options) (*Cluster, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	c := &Cluster{options: o}
	if o.TLS {
		if c.certs, err = newCertificates(filepath.Join(dir, "tls")); err != nil {
			return nil, err
		}
	}
	var initial []string
	for _, p := range o.Programs {
		m, err := c.newMember(ctx, p)
		if err != nil {
			return nil, err
		}
		c.members = append(c.members, m)
		initial = append(initial, m.Name+"="+m.PeerURL)
	}
	for _, m := range c.members {
		m.initial = []string{"--initial-cluster-state=new", "--initial-cluster=" + strings.Join(initial, ",")}
	}
	return c, nil
}

// Start starts all members and waits until each is ready.
func (c *Cluster) Start(ctx context.Context) error {
	var group errgroup.Group
	for _, m := range c.Members() {
		group.Go(func() error { return m.Start(ctx) })
	}
	return group.Wait()
}

// closeTimeout bounds how long Close waits for the members to end.
const closeTimeout = 30 * time.Second

// Close kills what still runs. The nodes, logs and data stay: the host and the directory of the run are not the cluster's.
func (c *Cluster) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var group errgroup.Group
	for _, m := range slices.Concat(c.Members(), c.Former()) {
		group.Go(func() error { return m.Kill(ctx) })
	}
	return group.Wait()
}

// Members are those that belong to the cluster, whether they run or not.
func (c *Cluster) Members() []*Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.members)
}

// Former are those that do not belong to the cluster any more. They may still run.
func (c *Cluster) Former() []*Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.former)
}

// Endpoints are the client URLs of all members.
func (c *Cluster) Endpoints() []string { return urls(c.Members()) }

func urls(members []*Member) []string {
	var all []string
	for _, m := range members {
		all = append(all, m.ClientURL)
	}
	return all
}

// Speak says as whom the cluster asks its members, as it must once authentication is on: as root.
func (c *Cluster) Speak(a Access) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.access = a
}

// TLSConfig is a copy of the settings with which clients connect, nil without TLS.
func (c *Cluster) TLSConfig() *tls.Config {
	if c.certs == nil {
		return nil
	}
	return c.certs.client.Clone()
}

// dialTimeout bounds one attempt to connect.
const dialTimeout = 5 * time.Second

// Client connects to all members, or to the given ones only.
func (c *Cluster) Client(a Access, members ...*Member) (*client.Client, error) {
	if len(members) == 0 {
		members = c.Members()
	}
	// Calls fail on purpose here; their errors are looked at, not logged.
	return client.New(client.Config{
		Endpoints: urls(members), TLS: c.TLSConfig(), Username: a.User, Password: a.Password, DialTimeout: dialTimeout, Logger: zap.NewNop(),
	})
}

// ask connects as the one whom Speak has named to the members that run, and calls f.
func (c *Cluster) ask(f func(*client.Client) error, members ...*Member) error {
	c.mu.Lock()
	access := c.access
	c.mu.Unlock()
	running := slices.DeleteFunc(members, func(m *Member) bool { return !m.Running() || m.Paused() })
	if len(running) == 0 {
		return errors.New("no member runs that could be asked")
	}
	one, err := c.Client(access, running...)
	if err != nil {
		return err
	}
	defer one.Close()
	return f(one)
}

// removeContent empties a directory, which may be missing.
func removeContent(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var all []error
	for _, e := range entries {
		all = append(all, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("empty %s: %w", dir, err)
	}
	return nil
}
