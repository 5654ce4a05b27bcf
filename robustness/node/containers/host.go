// Package containers runs nodes as containers. Their images are made from static binaries, so nothing is fetched from anywhere.
//
// The first program of a container is the gate, which becomes the program of the node when the lab says so. A container stays when its
// program has ended, and is started again for the next one; it is made anew only for another binary or other directories.
package containers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	networks "github.com/testcontainers/testcontainers-go/network"
	"golang.org/x/sync/errgroup"

	"quoin.dev/quoin/robustness/build"
	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/node/subnet"
)

// Host makes nodes on one network of the container engine.
type Host struct {
	subnet   *subnet.Subnet
	provider *testcontainers.DockerProvider
	network  *testcontainers.DockerNetwork
	images   *images
	dir      string // for the sockets of the gates

	mu     sync.Mutex // guards what follows
	nodes  []*container
	closed bool
}

var _ node.Host = (*Host)(nil)

// New makes a host with a subnet of its own, once it has removed what dead labs have left.
func New(ctx context.Context) (*Host, error) {
	if err := Check(ctx); err != nil {
		return nil, err
	}
	if err := Clean(ctx); err != nil {
		return nil, err
	}
	root, err := build.Root(ctx)
	if err != nil {
		return nil, err
	}
	gate, err := build.Static(ctx, build.Spec{Package: "quoin.dev/quoin/robustness/node/containers/gate", Dir: root})
	if err != nil {
		return nil, err
	}
	claimed, err := subnet.Claim()
	if err != nil {
		return nil, err
	}
	h := &Host{subnet: claimed}
	if err := h.connect(ctx, gate); err != nil {
		return nil, errors.Join(fmt.Errorf("host with subnet %s: %w", claimed.Prefix(), err), h.Close())
	}
	return h, nil
}

func (h *Host) connect(ctx context.Context, gate string) (err error) {
	if h.dir, err = os.MkdirTemp("", "quoin-lab-"); err != nil { // a short path, since that of a socket has a bound
		return err
	}
	if h.provider, err = connect(ctx); err != nil {
		return err
	}
	h.images = newImages(h.provider, gate)
	h.network, err = networks.New(ctx, networks.WithLabels(h.labels()), networks.WithIPAM(&network.IPAM{
		Config: []network.IPAMConfig{{Subnet: h.subnet.Prefix(), Gateway: h.subnet.Lab()}},
	}))
	return err
}

func (h *Host) labels() map[string]string { return map[string]string{label: fmt.Sprint(h.subnet.N)} }

// Name is that of this kind of host.
func (h *Host) Name() string { return "containers" }

// Lab is the address under which nodes see the lab.
func (h *Host) Lab() netip.Addr { return h.subnet.Lab() }

// New makes a node. Its container is made when it is started.
func (h *Host) New(_ context.Context, name string) (node.Node, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("new node %s: the host is closed", name)
	}
	addr, err := h.subnet.Node(len(h.nodes))
	if err != nil {
		return nil, fmt.Errorf("new node %s: %w", name, err)
	}
	dir := filepath.Join(h.dir, fmt.Sprint(len(h.nodes)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("new node %s: %w", name, err)
	}
	c := newContainer(h, name, addr, dir)
	h.nodes = append(h.nodes, c)
	return c, nil
}

// closeTimeout bounds Close.
const closeTimeout = time.Minute

// Close kills and removes all containers and the network. The images stay. It may be called twice.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var group errgroup.Group
	for _, c := range h.nodes {
		group.Go(func() error { return c.close(ctx) })
	}
	all := []error{group.Wait()}
	if h.network != nil {
		all = append(all, h.network.Remove(ctx))
	}
	if h.provider != nil {
		all = append(all, h.provider.Close())
	}
	h.subnet.Release()
	if h.dir != "" {
		all = append(all, os.RemoveAll(h.dir))
	}
	return errors.Join(all...)
}
