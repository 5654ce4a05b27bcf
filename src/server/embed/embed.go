package embed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	"quoin.dev/pkg/vfs"

	"quoin.dev/server/audit"
	"quoin.dev/server/certs"
	"quoin.dev/server/config"
	"quoin.dev/server/member"
	"quoin.dev/server/metrics"
	"quoin.dev/server/peer"
	"quoin.dev/server/tracing"
)

// Timeouts of a start, and of requests that are open when the member stops.
const (
	stopTimeout = 500 * time.Millisecond
	// readyTimeout is after how long a member that has no quorum serves what it can without one.
	readyTimeout = 5 * time.Second
)

// Server is a running member with its network. Its methods may be called from any goroutine.
type Server struct {
	// Member is what the server is built around, for what its methods do not offer.
	Member *member.Member

	fs      vfs.FS
	cfg     *config.Config
	given   *givenSockets
	memory  *memoryListener
	logger  *zap.Logger
	audits  *audit.Log // nil: none
	certs   *certs.Certs
	grpc    *grpc.Server
	peers   []net.Listener
	clients clientListeners
	web     web
	tracing *tracing.Provider // nil if nothing is traced
	checks  metrics.Checks
	peer    *http.Server
	// peerHandler is nil until the member runs.
	peerHandler atomic.Pointer[http.Handler]

	loops    sync.WaitGroup
	failed   chan error
	stopOnce sync.Once
	stopping chan struct{}
	serving  chan struct{}
	// clientLoop is closed once serveClients has ended: from then on it is settled whether clients were ever served.
	clientLoop chan struct{}
}

// ClientAddrs are the addresses on which clients are served, in the order of the settings; ports that the settings left
// open are known here.
func (s *Server) ClientAddrs() []net.Addr { return addrs(s.clients.grpc) }

// HTTPAddrs are the addresses on which HTTP is served apart from gRPC; empty if both share ClientAddrs.
func (s *Server) HTTPAddrs() []net.Addr { return addrs(s.clients.http) }

// MetricsAddrs are the further addresses of metrics and health.
func (s *Server) MetricsAddrs() []net.Addr { return addrs(s.clients.metrics) }

// PeerAddrs are the addresses on which other members are served.
func (s *Server) PeerAddrs() []net.Addr { return addrs(s.peers) }

// Options are what a server needs beside its settings. The zero value is a server that logs nothing.
type Options struct {
	Logger *zap.Logger // nil: nobody is told
	// Sockets are listening sockets that are open already, such as those of a service manager. Each has to be named by a URL of
	// the settings, which is not opened then. They are the server's from here on, and closed with it, even if it does not start.
	Sockets []net.Listener
	// FS holds the write-ahead log; nil for that of the system. It is the seam for faults of the disk.
	FS vfs.FS
}

// Start brings a member up, with a logger that may be nil. It may take long: a large log is read, and a member that joins asks
// the others. It returns when the member runs; Serving tells when clients are served. After an error nothing is left running.
// The settings must not be changed any more.
func Start(cfg *config.Config, logger *zap.Logger) (*Server, error) {
	return StartWith(cfg, Options{Logger: logger})
}

// StartWith is Start with everything that can be chosen.
func StartWith(cfg *config.Config, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	s := &Server{
		fs:         o.FS,
		cfg:        cfg,
		logger:     o.Logger,
		given:      &givenSockets{open: o.Sockets},
		memory:     newMemoryListener(),
		failed:     make(chan error, 1),
		stopping:   make(chan struct{}),
		serving:    make(chan struct{}),
		clientLoop: make(chan struct{}),
	}
	if err := s.start(); err != nil {
		if s.peer != nil {
			_ = s.peer.Close()
		}
		closeAll(s.peers)
		s.clients.close()
		closeAll(s.given.open)
		s.stopTracing()
		s.loops.Wait()
		s.audits.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) start() error {
	var err error
	if s.certs, err = certs.Open(s.cfg, s.logger); err != nil {
		return fmt.Errorf("embed: %w", err)
	}
	if s.peers, err = listen(s.cfg.ListenPeerURLs, s.listening("peer", s.certs.Peer(), peerGateTimeout)); err != nil {
		return err
	}
	if err := s.clients.listen(s.cfg, s.listening("client", s.certs.Client(), clientGateTimeout)); err != nil {
		return err
	}
	if err := s.given.leftOver(); err != nil {
		return err
	}
	if s.cfg.Audit.Path != "" {
		if s.audits, err = audit.Open(s.cfg.Audit, s.logger); err != nil {
			return err
		}
	}
	if s.cfg.Tracing.Enabled {
		if s.tracing, err = tracing.New(context.Background(), s.cfg.Tracing, s.logger); err != nil {
			return err
		}
	}
	s.servePeers()
	s.Member, err = member.Start(member.Options{Config: s.cfg, Logger: s.logger, PeerTLS: s.certs.Dialer, Fatal: s.fail, FS: s.fs})
	if err != nil {
		return err
	}
	handler := s.Member.PeerHandler()
	s.peerHandler.Store(&handler)
	s.loops.Go(s.serveClients)
	s.loops.Go(func() { s.certs.Watch(s.stopping) })
	return nil
}

// Failed yields the reason, once, when the member can not go on. What it has acknowledged is on disk, and it acknowledges
// nothing more; a program that goes on has to Stop it.
func (s *Server) Failed() <-chan error { return s.failed }

// Serving is closed once clients are served: when the member takes part in its cluster, or after 5 s, when it answers what it can
// without a quorum.
func (s *Server) Serving() <-chan struct{} { return s.serving }

// Removed is closed when the member was removed from its cluster; it has to be stopped then, and its data is of no use.
func (s *Server) Removed() <-chan struct{} { return s.Member.Removed() }

// ErrStopped is the answer of a server that was stopped.
var ErrStopped = errors.New("embed: the server was stopped")

// Wait returns once clients are served. Errors: that of ctx; the one that Failed yields, which still yields it; ErrStopped.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-s.serving:
		return nil
	case err := <-s.failed:
		s.fail(err)
		return err
	case <-s.stopping:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// servePeers answers other members; until this one runs, by saying so. Founders that start together ask each other, and
// one that did not answer at all would hold the others up.
func (s *Server) servePeers() {
	s.peer = peer.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler := s.peerHandler.Load()
		if handler == nil {
			http.Error(w, "this member is starting", http.StatusServiceUnavailable)
			return
		}
		(*handler).ServeHTTP(w, r)
	}))
	s.peer.ErrorLog = zap.NewStdLog(s.logger)
	for _, l := range s.peers {
		s.logger.Info("serving peer traffic", zap.Stringer("address", l.Addr()))
		s.serve(l, s.peer.Serve)
	}
}

// serveClients answers clients as soon as the member takes part in its cluster, or has waited long enough for that: a
// member without a quorum still answers what it can by itself.
func (s *Server) serveClients() {
	defer close(s.clientLoop)
	compared := false
	select {
	case <-s.Member.Ready():
		if !s.compare() {
			return
		}
		compared = true
	case <-time.After(readyTimeout):
		s.logger.Warn("timed out waiting for the cluster, serving what works without a quorum")
	case <-s.stopping:
		return
	}
	if err := s.openClients(); err != nil {
		s.fail(err)
		return
	}
	close(s.serving)
	select {
	case <-s.Member.Ready():
		if compared || s.compare() {
			s.logger.Info("ready to serve client requests")
		}
	case <-s.stopping:
	}
}

// compare holds a member that comes back against the others, and reports whether it may serve.
func (s *Server) compare() bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.Member.CompareFirst(ctx)
	if err != nil && ctx.Err() == nil {
		s.fail(err)
	}
	return err == nil
}

func (s *Server) serve(l net.Listener, serve func(net.Listener) error) {
	s.loops.Go(func() {
		err := serve(l)
		if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, grpc.ErrServerStopped) {
			s.fail(fmt.Errorf("embed: listener %s: %w", l.Addr(), err))
		}
	})
}

// Stop ends the member in order: requests get half a second to finish, leadership goes to another member, ports and files are
// given back. It returns when nothing of the server runs any more; once more is nothing. The data can be used by the next Start.
func (s *Server) Stop() {
	s.stopOnce.Do(func() {
		close(s.stopping)
		_ = s.memory.Close()
		s.clients.close()
		<-s.clientLoop
		s.stopClients()
		s.Member.Stop()
		s.stopTracing()
		_ = s.peer.Close()
		closeAll(s.peers)
		s.loops.Wait()
		s.audits.Close()
	})
}
