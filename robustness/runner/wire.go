package runner

import (
	"context"
	"os"

	"quoin.dev/quoin/robustness/clockfault"
	"quoin.dev/quoin/robustness/netfault"
	"quoin.dev/quoin/robustness/node"
)

// wiredHost makes nodes whose links can fail, and whose clocks can if clock names their files.
type wiredHost struct {
	node.Host
	net   *netfault.Net
	clock func(name string) (file string, err error)
}

// New makes a node, which the network gets to know with each of its processes.
func (h *wiredHost) New(ctx context.Context, name string) (node.Node, error) {
	n, err := h.Host.New(ctx, name)
	if err != nil {
		return nil, err
	}
	n.OnStart(func(netns *os.File) error { return h.net.Attach(name, n.Addr(), netns) })
	if h.clock == nil {
		return n, nil
	}
	file, err := h.clock(name)
	return &clockedNode{n, file}, err
}

// clockedNode is a node whose processes read the file of a clock.
type clockedNode struct {
	node.Node
	file string
}

// Start starts a process that goes by the clock.
func (n *clockedNode) Start(ctx context.Context, c node.Command) error {
	c.Env = append(c.Env, clockfault.Variable+"="+n.file)
	return n.Node.Start(ctx, c)
}
