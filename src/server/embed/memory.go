package embed

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc"

	"quoin.dev/client"
	"quoin.dev/server/config"
)

// Private returns the settings of a store that only this program uses, through Client: a cluster of one with its data in dir,
// which is made, that listens nowhere. The caller may change them before Start.
func Private(dir string) *config.Config {
	cfg := config.Default()
	cfg.DataDir = dir
	cfg.ListenPeerURLs, cfg.ListenClientURLs = nil, nil
	return cfg
}

// Client returns a client of this member that needs no network: its connection is memory. Requests wait until clients are
// served. It is the caller's to close, stays with this member whatever its endpoints are set to, and is of no use after Stop.
func (s *Server) Client() (*client.Client, error) {
	return client.New(client.Config{
		Endpoints:   []string{memoryAddr{}.String()},
		Logger:      s.logger,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(s.dialMemory)},
	})
}

func (s *Server) dialMemory(ctx context.Context, _ string) (net.Conn, error) {
	return s.memory.dial(ctx)
}

// memoryListener is a net.Listener for connections from within this process.
type memoryListener struct {
	conns     chan net.Conn
	closeOnce sync.Once
	closed    chan struct{}
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// dial waits until the connection is accepted. Errors: ErrStopped, that of ctx.
func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *memoryListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

// memoryAddr is the address of what listens in memory.
type memoryAddr struct{}

// Network implements net.Addr.
func (memoryAddr) Network() string { return "memory" }

// String implements net.Addr.
func (memoryAddr) String() string { return "memory:0" }
