package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
	"quoin.dev/pkg/tlsfiles"
	"quoin.dev/pkg/tlsfiles/certtest"
)

func TestEndpointsAreChecked(t *testing.T) {
	if _, err := client.New(client.Config{}); err != client.ErrNoAvailableEndpoints {
		t.Errorf("without endpoints: %v", err)
	}
	if _, err := client.NewFromURL("ftp://x"); err == nil || !strings.Contains(err.Error(), "unknown scheme") {
		t.Errorf("with an unreadable one: %v", err)
	}
}

func TestCallsCarryTheAPIVersion(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{Token: "given"}, m)
	if _, err := c.Put(client.WithRequireLeader(within(t)), "k", "v"); err != nil {
		t.Fatal(err)
	}
	if v, l, tok := m.header("client-api-version"), m.header("hasleader"), m.header("token"); v != "3.7" || l != "true" || tok != "given" {
		t.Errorf("client-api-version %q, hasleader %q, token %q", v, l, tok)
	}
}

func TestSizesAreLimited(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{MaxCallSendMsgSize: 1000}, m)
	if _, err := c.Put(within(t), "k", strings.Repeat("v", 1000)); status.Code(err) != codes.ResourceExhausted || m.puts.Load() != 0 {
		t.Errorf("got %v, %d puts", err, m.puts.Load())
	}
}

func TestCloseEndsCalls(t *testing.T) {
	started := make(chan struct{})
	m := start(t, &member{answer: func(ctx context.Context, _ string) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	}}, listen(t))
	c := open(t, client.Config{AutoSyncInterval: time.Hour}, m)
	result := make(chan error, 1)
	go func() {
		_, err := c.Put(context.Background(), "k", "v")
		result <- err
	}()
	<-started
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-result; !client.IsConnCanceled(err) {
		t.Errorf("the call ended with %v", err)
	}
	if c.Ctx().Err() == nil {
		t.Error("the context of the client did not end")
	}
	if client.IsConnCanceled(nil) || client.IsConnCanceled(rpctypes.ErrNoLeader) {
		t.Error("took another error for a closed connection")
	}
}

func TestSync(t *testing.T) {
	a, b := start(t, &member{}, listen(t)), start(t, &member{}, listen(t))
	c := open(t, client.Config{}, a)
	if err := c.Sync(within(t)); err != client.ErrNoAvailableEndpoints {
		t.Errorf("no member advertises a URL: %v", err)
	}
	a.members = []*pb.Member{
		{Name: "b", ClientURLs: []string{"http://" + b.address}},
		{Name: "learner", ClientURLs: []string{"http://127.0.0.1:1"}, IsLearner: true},
		{ClientURLs: []string{"http://127.0.0.1:2"}},
	}
	if err := c.Sync(within(t)); err != nil {
		t.Fatal(err)
	}
	if got := c.Endpoints(); len(got) != 1 || got[0] != "http://"+b.address {
		t.Errorf("endpoints %v", got)
	}
}

func TestAutoSync(t *testing.T) {
	a, b := start(t, &member{}, listen(t)), start(t, &member{}, listen(t))
	a.members = []*pb.Member{{Name: "b", ClientURLs: []string{b.address}}}
	b.members = a.members
	c := open(t, client.Config{AutoSyncInterval: time.Millisecond}, a)
	eventually(t, "the endpoints are replaced", func() bool { return c.Endpoints()[0] == b.address })
	eventually(t, "the new member is asked", func() bool { return b.lists.Load() > 0 })
}

func TestRejectOldCluster(t *testing.T) {
	const dead = "127.0.0.1:1"
	for version, want := range map[string]error{"3.7.3": nil, "3.4.0": nil, "4.0.0": nil, "3.3.27": client.ErrOldCluster, "2.3.8": client.ErrOldCluster, "": client.ErrOldCluster} {
		t.Run(version, func(t *testing.T) {
			t.Parallel() // the one that is dead is waited for
			old := start(t, &member{version: version}, listen(t))
			c, err := client.New(client.Config{Endpoints: []string{old.address, dead}, RejectOldCluster: true, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
			if err != want {
				t.Errorf("version %q: %v, want %v", version, err, want)
			}
			if err == nil {
				c.Close()
			}
		})
	}
	if _, err := client.New(client.Config{Endpoints: []string{dead}, RejectOldCluster: true, DialTimeout: 50 * time.Millisecond, Logger: zap.NewNop()}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no member answers: %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	m := start(t, &member{}, l)
	c := open(t, client.Config{Endpoints: []string{"unix://" + path}})
	if _, err := c.Put(within(t), "k", "v"); err != nil || m.puts.Load() != 1 {
		t.Errorf("error %v, %d puts", err, m.puts.Load())
	}
}

// secure returns a server option for TLS with a certificate of the authority, and the client's side of it.
func secure(t *testing.T, ca *certtest.Authority) (grpc.ServerOption, *tlsfiles.Store) {
	t.Helper()
	leaf := ca.Issue("server")
	store, err := tlsfiles.Open(tlsfiles.Options{
		Files: tlsfiles.Files{Cert: leaf.Cert, Key: leaf.Key, CA: ca.CA()},
		Base:  &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return grpc.Creds(credentials.NewTLS(store.Server())), store
}

// One client may have members with and without TLS; each is reached as its endpoint says.
func TestTLS(t *testing.T) {
	server, store := secure(t, certtest.New(t, "ca"))
	closed, plain := start(t, &member{}, listen(t), server), start(t, &member{}, listen(t))
	c := open(t, client.Config{TLS: store.Client(), Endpoints: []string{"https://" + closed.address, "http://" + plain.address}})
	settle(t, c, closed, plain)
	c.SetEndpoints(closed.address) // without a scheme the configuration decides
	eventually(t, "TLS is used", func() bool { return rounds(t, c, 5, closed)[0] == 5 })

	stranger := open(t, client.Config{Endpoints: []string{"https://" + closed.address}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := stranger.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a certificate of a stranger was accepted: %v", err)
	}
}

// A client stays connected while the authority of its cluster is replaced, when its own file is, too.
func TestTLSFilesAreFollowed(t *testing.T) {
	ca, next := certtest.New(t, "ca"), certtest.New(t, "next")
	server, store := secure(t, ca)
	m := start(t, &member{}, listen(t), server)
	c := open(t, client.Config{GetTLS: store.Client}, m)
	if _, err := c.Get(within(t), "k"); err != nil {
		t.Fatal(err)
	}
	m.server.Stop()
	server, _ = secure(t, next)
	start(t, &member{}, listenOn(t, m.address), server)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a certificate of a stranger was accepted: %v", err)
	}
	certtest.Bundle(t, ca.CA(), ca, next)
	if _, err := c.Get(within(t), "k"); err != nil {
		t.Error(err)
	}
}

func TestClientOfParts(t *testing.T) {
	m := start(t, &member{}, listen(t))
	conn, err := open(t, client.Config{}, m).Dial(m.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lg := zap.NewNop()
	c := client.NewCtxClient(t.Context(), client.WithZapLogger(lg))
	c.KV = client.NewKVFromKVClient(pb.NewKVClient(conn), c)
	c.Cluster = client.NewClusterFromClusterClient(pb.NewClusterClient(conn), c)
	c.Maintenance = client.NewMaintenanceFromMaintenanceClient(pb.NewMaintenanceClient(conn), c)
	m.members = []*pb.Member{{Name: "a", ClientURLs: []string{m.address}}}
	if _, err := c.Put(within(t), "k", "v"); err != nil {
		t.Error(err)
	}
	if err := c.Sync(within(t)); err != nil || c.Endpoints()[0] != m.address {
		t.Error(err)
	}
	if _, err := c.Status(within(t), "any"); err != nil {
		t.Error(err)
	}
	if c.GetLogger() != lg || c.ActiveConnection() != nil {
		t.Error("the client is not made of the given parts")
	}
	if err := c.Close(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func (m *member) RangeStream(r *pb.RangeRequest, s grpc.ServerStreamingServer[pb.RangeStreamResponse]) error {
	if err := m.note(s.Context(), "RangeStream", r, &m.ranges); err != nil {
		return err
	}
	for i := range 3 {
		part := &pb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Key: []byte{byte(i)}}}}
		if i == 2 {
			part.Header, part.Count = &pb.ResponseHeader{Revision: 7}, 3
		}
		if err := s.Send(&pb.RangeStreamResponse{RangeResponse: part}); err != nil {
			return err
		}
	}
	switch r.Limit {
	case 98:
		return rpctypes.ErrGRPCNoLeader
	case 99:
		return rpctypes.ErrGRPCCompacted
	}
	return nil
}

func TestGetStream(t *testing.T) {
	c := open(t, client.Config{}, start(t, &member{}, listen(t)))
	for limit, want := range map[int64]error{0: io.EOF, 99: rpctypes.ErrCompacted} {
		s, err := c.GetStream(within(t), "k", client.WithPrefix(), client.WithLimit(limit))
		if err != nil {
			t.Fatal(err)
		}
		var kvs int
		var last *client.GetResponse
		for {
			part, err := s.Recv()
			if err != nil {
				if err != want {
					t.Errorf("limit %d ended with %v, want %v", limit, err, want)
				}
				break
			}
			kvs, last = kvs+len(part.Kvs), part
		}
		if kvs != 3 || last.Count != 3 || last.Header.Revision != 7 {
			t.Errorf("got %d keys, last part %v", kvs, last)
		}
		s.Close()
	}
	s, err := c.GetStream(within(t), "k")
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := s.Recv(); !client.IsConnCanceled(err) {
		t.Errorf("after Close: %v", err)
	}
}

func TestGetStreamIsOpenedAgainBeforeItsFirstPart(t *testing.T) {
	m := &member{}
	m.answer = func(_ context.Context, method string) error {
		switch {
		case method == "Authenticate":
		case m.header("token") != "token-2":
			return rpctypes.ErrGRPCInvalidAuthToken
		case m.ranges.Load() < 4:
			return rpctypes.ErrGRPCNoLeader
		}
		return nil
	}
	start(t, m, listen(t))
	c := open(t, client.Config{Username: "root", Password: "pw", BackoffWaitBetween: time.Millisecond}, m)
	s, err := c.GetStream(within(t), "k", client.WithLimit(98))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	// Before the first part this error would have been a reason to open the stream again.
	if _, err := s.Recv(); err != rpctypes.ErrNoLeader || m.ranges.Load() != 4 {
		t.Errorf("ended with %v after %d attempts, want 4", err, m.ranges.Load())
	}
}

func (m *member) Alarm(_ context.Context, r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	if r.Action == pb.AlarmRequest_GET {
		return &pb.AlarmResponse{Alarms: []*pb.AlarmMember{{MemberID: 1, Alarm: pb.AlarmType_NOSPACE}, {MemberID: 2, Alarm: pb.AlarmType_CORRUPT}}}, nil
	}
	return &pb.AlarmResponse{Alarms: []*pb.AlarmMember{{MemberID: r.MemberID, Alarm: r.Alarm}}}, nil
}

func TestAlarmDisarm(t *testing.T) {
	c := open(t, client.Config{}, start(t, &member{}, listen(t)))
	all, err := c.AlarmDisarm(within(t), &client.AlarmMember{})
	if err != nil || len(all.Alarms) != 2 {
		t.Errorf("all: %v, %v", all, err)
	}
	one, err := c.AlarmDisarm(within(t), &client.AlarmMember{MemberID: 1, Alarm: pb.AlarmType_NOSPACE})
	if err != nil || len(one.Alarms) != 1 {
		t.Errorf("one: %v, %v", one, err)
	}
}
