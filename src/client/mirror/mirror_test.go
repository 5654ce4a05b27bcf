package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/client/internal/standin"
	"quoin.dev/client/mirror"
)

func TestMain(m *testing.M) {
	// gRPC writes a line on stderr about each server without a health service.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	os.Exit(m.Run())
}

func open(t *testing.T, opts ...grpc.DialOption) *client.Client {
	t.Helper()
	m, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return dial(t, m.Address, opts...)
}

func dial(t *testing.T, address string, opts ...grpc.DialOption) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Endpoints: []string{address}, Logger: zap.NewNop(), DialOptions: opts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func put(t *testing.T, c *client.Client, key, value string) {
	t.Helper()
	if _, err := c.Put(within(t), key, value); err != nil {
		t.Fatal(err)
	}
}

// contents returns all keys with their values.
func contents(t *testing.T, c *client.Client) string {
	t.Helper()
	resp, err := c.Get(within(t), "", client.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, kv := range resp.Kvs {
		all = append(all, fmt.Sprintf("%s=%s", kv.Key, kv.Value))
	}
	return strings.Join(all, " ")
}

// run starts a mirror, whose end await waits for.
func run(t *testing.T, m *mirror.Mirror) (await func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(cancel)
	return func() error {
		select {
		case err := <-done:
			return err
		case <-within(t).Done():
			t.Fatal("the mirror goes on")
			return nil
		}
	}
}

// awaitCopied waits until the mirror has copied something that was put last.
func awaitCopied(t *testing.T, from, to *client.Client, key, copied string) {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	changes := to.Watch(ctx, copied)
	put(t, from, key, "done")
	for r := range changes {
		for _, ev := range r.Events {
			if string(ev.Kv.Value) == "done" {
				return
			}
		}
	}
	t.Fatalf("%s was not copied", key)
}

func TestSyncer(t *testing.T) {
	c := open(t)
	for i := range 300 { // more than one page
		put(t, c, fmt.Sprintf("p/%03d", i), "old")
	}
	put(t, c, "other", "x")
	s := mirror.NewSyncer(c, "p/", 0)
	pages, failed := s.SyncBase(within(t))
	keys, count := "", 0
	for page := range pages {
		if count == 0 {
			put(t, c, "p/299", "new") // behind the revision of all pages
		}
		for _, kv := range page.Kvs {
			if string(kv.Key) <= keys || string(kv.Value) != "old" {
				t.Errorf("%s=%s comes behind %s", kv.Key, kv.Value, keys)
			}
			keys = string(kv.Key)
			count++
		}
	}
	if err := <-failed; err != nil || count != 300 {
		t.Errorf("got %d keys, %v", count, err)
	}
	r := <-s.SyncUpdates(within(t))
	if len(r.Events) != 1 || string(r.Events[0].Kv.Value) != "new" {
		t.Errorf("got %v", r.Events)
	}
}

func TestSyncerTellsOfErrors(t *testing.T) {
	c := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pages, failed := mirror.NewSyncer(c, "", 0).SyncBase(ctx)
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	if _, more := <-pages; more {
		t.Error("there is a page")
	}
	defer func() {
		if recover() == nil {
			t.Error("updates began without a revision")
		}
	}()
	mirror.NewSyncer(c, "", 0).SyncUpdates(ctx)
}

func TestPrefixes(t *testing.T) {
	for name, c := range map[string]struct{ prefix, destination, want string }{
		"all":          {"", "", "a/1=x a/2=y b/1=z done=done"},
		"below":        {"", "copy/", "copy/a/1=x copy/a/2=y copy/b/1=z copy/done=done"},
		"some":         {"a/", "a/", "a/1=x a/2=y a/done=done"},
		"renamed":      {"a/", "b/", "b/1=x b/2=y b/done=done"},
		"without":      {"a/", "", "1=x 2=y done=done"},
		"part of name": {"a/", "a", "a1=x a2=y adone=done"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := open(t), open(t)
			put(t, from, "a/1", "x")
			put(t, from, "b/1", "z")
			m := &mirror.Mirror{Source: from, Destination: to, Prefix: c.prefix, DestinationPrefix: c.destination, MaxTxnOps: 128}
			run(t, m)
			put(t, from, "a/2", "y")
			awaitCopied(t, from, to, c.prefix+"done", c.destination+"done")
			if got := contents(t, to); got != c.want {
				t.Errorf("there is %s, want %s", got, c.want)
			}
		})
	}
}

func TestRevision(t *testing.T) {
	from, to := open(t), open(t)
	put(t, from, "a", "1") // revision 2
	put(t, from, "b", "1")
	run(t, &mirror.Mirror{Source: from, Destination: to, Revision: 2})
	awaitCopied(t, from, to, "c", "c")
	if got := contents(t, to); got != "b=1 c=done" {
		t.Errorf("there is %s", got)
	}
}

func TestNamelessCopy(t *testing.T) {
	from, to := open(t), open(t)
	put(t, from, "a", "1")
	await := run(t, &mirror.Mirror{Source: from, Destination: to, Prefix: "a"})
	if err := await(); err == nil || !strings.Contains(err.Error(), `the copy of key "a" would have an empty name`) {
		t.Errorf("got error %v", err)
	}
}

// fault breaks calls at random with an error that trying again helps against: before they are sent, or after they were
// carried out, when the answer is lost.
type fault struct {
	mu     sync.Mutex
	random *rand.Rand
	error  error
}

func (f *fault) hits(one int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(one) == 0
}

func (f *fault) options() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(f.unary), grpc.WithChainStreamInterceptor(f.stream)}
}

func (f *fault) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if f.hits(10) {
		return f.error
	}
	err := call(ctx, method, req, reply, cc, opts...)
	if err == nil && f.hits(10) {
		return f.error
	}
	return err
}

func (f *fault) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, call grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := call(ctx, desc, cc, method, opts...)
	return &faultyStream{s, f}, err
}

type faultyStream struct {
	grpc.ClientStream
	fault *fault
}

func (s *faultyStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil && s.fault.hits(20) {
		return s.fault.error // and what was received is lost
	}
	return err
}

// TestTransactionsStayWhole writes the same value to two keys in every transaction, while calls and streams of both clusters
// break. The two are the same at every revision of the copy, which in the end is the source.
func TestTransactionsStayWhole(t *testing.T) {
	for name, broken := range map[string]error{
		"connection": status.Error(codes.Unavailable, "broken"),
		"leader":     status.Error(codes.Unavailable, "etcdserver: no leader"),
		"late":       status.Error(codes.Unavailable, "etcdserver: request timed out"),
	} {
		t.Run(name, func(t *testing.T) {
			a, err := standin.Start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(a.Stop)
			b, err := standin.Start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Stop)
			const seed = 7
			f := &fault{random: rand.New(rand.NewPCG(seed, seed)), error: broken}
			writer, reader := dial(t, a.Address), dial(t, b.Address)
			write(t, writer, 0, 60)
			m := &mirror.Mirror{
				Source: dial(t, a.Address, f.options()...), Destination: dial(t, b.Address, f.options()...),
				Prefix: "k/", DestinationPrefix: "copy/", MaxTxnOps: 128,
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			changes := reader.Watch(ctx, "copy/", client.WithPrefix(), client.WithRev(1))
			run(t, m)
			write(t, writer, 60, 160)
			put(t, writer, "k/z", "done")
			checkHistory(t, changes)
			want := strings.ReplaceAll(contents(t, writer), "k/", "copy/")
			if got := contents(t, reader); got != want {
				t.Errorf("the copy is\n%s\nthe source\n%s", got, want)
			}
			if m.Copied() == 0 {
				t.Error("nothing was counted")
			}
		})
	}
}

func write(t *testing.T, c *client.Client, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		slot, value := i%17, fmt.Sprint(i)
		left, right := fmt.Sprintf("k/left/%d", slot), fmt.Sprintf("k/right/%d", slot)
		ops := []client.Op{client.OpPut(left, value), client.OpPut(right, value)}
		if i%5 == 4 {
			ops = []client.Op{client.OpDelete(left), client.OpDelete(right)}
		}
		if _, err := c.Txn(within(t)).Then(ops...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkHistory reads the changes of the copy until the last. The keys that were copied first come in no one transaction.
func checkHistory(t *testing.T, changes client.WatchChan) {
	t.Helper()
	state := map[string]string{}
	first := true
	for r := range changes {
		for i, ev := range r.Events {
			key := strings.TrimPrefix(string(ev.Kv.Key), "copy/")
			if key == "z" {
				return
			}
			state[key] = string(ev.Kv.Value)
			if i+1 < len(r.Events) && r.Events[i+1].Kv.ModRevision == ev.Kv.ModRevision {
				continue
			}
			if _, slot, _ := strings.Cut(key, "/"); state["left/"+slot] != state["right/"+slot] && !first {
				t.Fatalf("revision %d has one half of a transaction: %v", ev.Kv.ModRevision, state)
			}
			first = false
		}
	}
	t.Fatalf("the history ends before the last change: %v", state)
}

// A destination takes fewer changes in a transaction than the mirror sends.
func TestLimitsOfTheDestination(t *testing.T) {
	const most = 10
	from := open(t)
	to := open(t, grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if r, ok := req.(*pb.TxnRequest); ok && len(r.Success) > most {
			return status.Error(codes.InvalidArgument, "etcdserver: too many operations in txn request")
		}
		return call(ctx, method, req, reply, cc, opts...)
	}))
	for i := range 100 {
		put(t, from, fmt.Sprintf("a/%02d", i), "1")
	}
	var ops []client.Op
	for i := range 25 {
		ops = append(ops, client.OpPut(fmt.Sprintf("b/%02d", i), "1"))
	}
	said := make(chan string, 10)
	run(t, &mirror.Mirror{Source: from, Destination: to, MaxTxnOps: most, Report: func(text string) { said <- text }})
	awaitCopied(t, from, to, "a", "a")
	if _, err := from.Txn(within(t)).Then(ops...).Commit(); err != nil {
		t.Fatal(err)
	}
	awaitCopied(t, from, to, "c", "c")
	if got, want := contents(t, to), contents(t, from); got != want {
		t.Errorf("the copy is\n%s\nthe source\n%s", got, want)
	}
	if text := <-said; text != "revision 103 has 25 changes and is copied in 3 transactions" {
		t.Errorf("reported %s", text)
	}
	unbound := &mirror.Mirror{Source: from, Destination: to, Revision: 1}
	if err := run(t, unbound)(); err == nil || !strings.Contains(err.Error(), "destination: etcdserver: too many operations") {
		t.Errorf("a revision with too many changes: %v", err)
	}
}
