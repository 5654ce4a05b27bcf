// Package namespaces runs nodes as plain processes, each in a network namespace of its own.
//
// The nodes hang on a bridge, which has a namespace of its own as well: filters of the machine, such as those of a container engine,
// do not reach into it. The lab is connected to the bridge by a pair of virtual interfaces. No namespace has a name, and one end of each
// pair is in one of them, so the kernel removes everything when the lab ends, even by SIGKILL; so it does with the processes.
package namespaces

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"

	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/node/subnet"
)

// Host makes nodes in network namespaces. It needs root.
type Host struct {
	subnet *subnet.Subnet
	wires  *space // where the bridge is

	mu     sync.Mutex // guards what follows
	nodes  []*process
	made   int // nodes so far, also those that could not be made: their addresses are not used again
	closed bool
}

var _ node.Host = (*Host)(nil)

// Names of interfaces. Those of nodes and of the bridge are alone in their namespaces.
const (
	linkPrefix = "quoin-n" // and the number of the subnet: the lab's end of its pair
	bridgeName = "bridge"
	nodeLink   = "eth0"
	firstPort  = "lab"
)

// Check says why there can be no host here; nil if there can.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	s, err := newSpace()
	if err != nil {
		return err
	}
	return s.close()
}

// New makes a host with a subnet of its own.
func New() (*Host, error) {
	if err := Check(); err != nil {
		return nil, err
	}
	claimed, err := subnet.Claim()
	if err != nil {
		return nil, err
	}
	h := &Host{subnet: claimed}
	if err := h.connect(); err != nil {
		return nil, errors.Join(fmt.Errorf("host with subnet %s: %w", claimed.Prefix(), err), h.Close())
	}
	return h, nil
}

// connect makes the bridge and puts the lab on it.
func (h *Host) connect() error {
	if err := removeLink(h.link()); err != nil {
		return err
	}
	lab, err := os.Open(thread)
	if err != nil {
		return err
	}
	defer lab.Close()
	if h.wires, err = newSpace(); err != nil {
		return err
	}
	err = h.wires.do(func() error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}
		if err := netlink.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add bridge: %w", err)
		}
		if err := netlink.LinkSetUp(bridge); err != nil {
			return fmt.Errorf("set up bridge: %w", err)
		}
		return plug(firstPort, h.link(), lab)
	})
	if err != nil {
		return err
	}
	return address(h.link(), netip.PrefixFrom(h.subnet.Lab(), h.subnet.Prefix().Bits()))
}

func (h *Host) link() string { return fmt.Sprint(linkPrefix, h.subnet.N) }

// Name is that of this kind of host.
func (h *Host) Name() string { return "namespaces" }

// Lab is the address under which nodes see the lab.
func (h *Host) Lab() netip.Addr { return h.subnet.Lab() }

// New makes a node. Its network namespace is there at once, and stays until Close.
func (h *Host) New(_ context.Context, name string) (node.Node, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("new node %s: the host is closed", name)
	}
	addr, err := h.subnet.Node(h.made)
	if err != nil {
		return nil, fmt.Errorf("new node %s: %w", name, err)
	}
	h.made++
	s, err := newSpace()
	if err != nil {
		return nil, fmt.Errorf("new node %s: %w", name, err)
	}
	port := fmt.Sprint("port", h.made)
	err = h.wires.do(func() error { return plug(port, nodeLink, s.netns) })
	if err == nil {
		err = s.do(func() error {
			if err := address("lo", netip.Prefix{}); err != nil {
				return err
			}
			return address(nodeLink, netip.PrefixFrom(addr, h.subnet.Prefix().Bits()))
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("new node %s: %w", name, err), s.close())
	}
	p := newProcess(name, addr, s)
	h.nodes = append(h.nodes, p)
	return p, nil
}

// Close kills all processes and removes the nodes and the bridge. It may be called twice.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	var all []error
	for _, p := range h.nodes {
		all = append(all, p.close())
	}
	// The kernel ends a namespace in its own time; the link goes at once, so that the subnet can be used again.
	all = append(all, removeLink(h.link()))
	if h.wires != nil {
		all = append(all, h.wires.close())
	}
	h.subnet.Release()
	return errors.Join(all...)
}

// Clean removes links that a lab has left which does not live any more, should there be any.
func Clean() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("clean network links: %w", err)
	}
	var all []error
	for _, l := range links {
		var n int
		name := l.Attrs().Name
		if _, err := fmt.Sscanf(strings.TrimPrefix(name, linkPrefix), "%d", &n); err == nil && strings.HasPrefix(name, linkPrefix) {
			all = append(all, subnet.Unclaimed(n, func() error { return removeLink(name) }))
		}
	}
	return errors.Join(all...)
}
