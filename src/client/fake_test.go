package client_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/pkg/vtcodec"
)

// member is a server that counts calls and answers as a test tells it to.
type member struct {
	pb.UnimplementedKVServer
	pb.UnimplementedClusterServer
	pb.UnimplementedMaintenanceServer
	pb.UnimplementedAuthServer
	pb.UnimplementedWatchServer
	pb.UnimplementedLeaseServer

	address string
	server  *grpc.Server
	health  *health.Server
	conns   conns

	puts, ranges, txns, lists, authentications atomic.Int64

	withoutHealth bool
	blobs         []string // of a snapshot

	watches  chan *dialog[pb.WatchRequest, pb.WatchResponse]
	renewals chan *dialog[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]

	// answer, when set, decides about a call after it was counted, as if it had been carried out.
	answer func(ctx context.Context, method string) error

	mu      sync.Mutex // guards what follows
	last    any
	headers metadata.MD
	members []*pb.Member
	version string
}

// conns remembers the connections of a listener, to be cut.
type conns struct {
	net.Listener
	mu   sync.Mutex
	open []net.Conn
}

func (c *conns) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.open = append(c.open, conn)
		c.mu.Unlock()
	}
	return conn, err
}

// cut closes all connections at once, with whatever was on its way.
func (c *conns) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start serves m on the listener until the end of the test.
func start(t *testing.T, m *member, l net.Listener, opts ...grpc.ServerOption) *member {
	t.Helper()
	m.address = l.Addr().String()
	m.conns.Listener = l
	m.server = grpc.NewServer(append(opts, grpc.ForceServerCodecV2(vtcodec.Codec{}))...)
	pb.RegisterKVServer(m.server, m)
	pb.RegisterClusterServer(m.server, m)
	pb.RegisterMaintenanceServer(m.server, m)
	pb.RegisterAuthServer(m.server, m)
	pb.RegisterWatchServer(m.server, m)
	pb.RegisterLeaseServer(m.server, m)
	m.watches = make(chan *dialog[pb.WatchRequest, pb.WatchResponse], 100)
	m.renewals = make(chan *dialog[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse], 100)
	m.health = health.NewServer()
	if !m.withoutHealth {
		healthpb.RegisterHealthServer(m.server, m.health)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.server.Serve(&m.conns)
	}()
	t.Cleanup(func() {
		m.server.Stop()
		<-done
	})
	return m
}

func (m *member) note(ctx context.Context, method string, req any, count *atomic.Int64) error {
	md, _ := metadata.FromIncomingContext(ctx)
	m.mu.Lock()
	m.last, m.headers = req, md
	m.mu.Unlock()
	count.Add(1)
	if m.answer != nil {
		return m.answer(ctx, method)
	}
	return nil
}

func (m *member) request() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

func (m *member) header(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.headers.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (m *member) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	return &pb.PutResponse{}, m.note(ctx, "Put", r, &m.puts)
}

func (m *member) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	return &pb.RangeResponse{Count: m.ranges.Load()}, m.note(ctx, "Range", r, &m.ranges)
}

func (m *member) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	return &pb.TxnResponse{Succeeded: true}, m.note(ctx, "Txn", r, &m.txns)
}

func (m *member) MemberList(ctx context.Context, r *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	err := m.note(ctx, "MemberList", r, &m.lists)
	m.mu.Lock()
	defer m.mu.Unlock()
	return &pb.MemberListResponse{Members: m.members}, err
}

func (m *member) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Version: m.version}, nil
}

func (m *member) Authenticate(ctx context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	err := m.note(ctx, "Authenticate", r, &m.authentications)
	return &pb.AuthenticateResponse{Token: "token-" + string(rune('0'+m.authentications.Load()))}, err
}

// open returns a client of the members, closed at the end of the test.
func open(t *testing.T, cfg client.Config, members ...*member) *client.Client {
	t.Helper()
	for _, m := range members {
		cfg.Endpoints = append(cfg.Endpoints, m.address)
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestMain(m *testing.M) {
	// gRPC writes a line on stderr about each server without a health service.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	code := m.Run()
	if left := leftBehind(); code == 0 && left != "" {
		fmt.Println("goroutines of clients are left behind:\n" + left)
		code = 1
	}
	os.Exit(code)
}

// leftBehind returns the stacks of goroutines that run code of the client, once there are none or after some time.
func leftBehind() (stacks string) {
	buf := make([]byte, 16<<20)
	for range 6000 {
		stacks = ""
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "quoin.dev/client.") {
				stacks += g + "\n\n"
			}
		}
		if stacks == "" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return stacks
}

// within returns a context for calls that must succeed.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not within 30 s: %s", what)
		case <-tick.C:
		}
	}
}

func listenOn(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
