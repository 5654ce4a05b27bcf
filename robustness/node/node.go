// Package node runs one program on a machine of its own, as far as that can be had on one machine: a container, or a process in
// a network namespace. Each has an address that the lab and the other nodes reach.
package node

import (
	"context"
	"net/netip"
	"os"
	"syscall"
)

// Host makes nodes that reach each other. Close ends and removes them all, and whatever else the host has made.
type Host interface {
	// Name is that of its kind: containers or namespaces.
	Name() string
	// New makes a node with an address of its own, which it keeps; nothing runs on it yet.
	New(ctx context.Context, name string) (Node, error)
	Close() error
}

// Command is what a node runs.
type Command struct {
	// Binary is the path of a static binary for Linux on the lab's machine.
	Binary string
	Args   []string
	Env    []string
	// Dirs are directories of the lab's machine that the program sees under the same path.
	Dirs []string
	// LogFile is a file of the lab's machine that everything the program says is appended to.
	LogFile string
}

// Node runs at most one process at a time. Its methods may be called from many goroutines.
type Node interface {
	Name() string
	Addr() netip.Addr
	// Start starts a process and returns once it has a PID.
	Start(ctx context.Context, c Command) error
	// Signal sends a signal to the process and does not wait.
	Signal(s syscall.Signal) error
	// PID is that of the process in the lab's PID namespace, 0 without one.
	PID() int
	// Ended is closed when the present process has ended; it is closed before the first one.
	Ended() <-chan struct{}
	// ExitCode is that of the last process, -1 after a signal. One above 128 can not be told from a signal in a container.
	ExitCode() int
	// NetNS opens the network namespace. That of a container is a new one with each process; the caller closes it.
	NetNS() (*os.File, error)
	// OnStart calls f for each start, when the network namespace is there and the program does not run yet. The file is not f's to
	// keep or to close. An error of f is one of the start.
	OnStart(f func(netns *os.File) error)
}
