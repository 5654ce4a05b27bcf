package load

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/tools/bench/echo"
)

// fake is a KV service over ordinary gRPC, to hold the generator's own HTTP/2 to it.
type fake struct {
	etcdserverpb.UnimplementedKVServer
	mu    sync.Mutex
	keys  map[string]int
	kvs   int // in each range answer
	every int // every so many puts one fails; 0 = none
	puts  int
}

func (f *fake) Put(_ context.Context, r *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[string(r.Key)]++
	f.puts++
	if f.every > 0 && f.puts%f.every == 0 {
		return nil, status.Error(codes.ResourceExhausted, "etcdserver: too many apples")
	}
	return &etcdserverpb.PutResponse{Header: &etcdserverpb.ResponseHeader{Revision: 2}}, nil
}

func (f *fake) Range(_ context.Context, r *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	out := &etcdserverpb.RangeResponse{Header: &etcdserverpb.ResponseHeader{Revision: 2}, Count: int64(f.kvs)}
	for i := range f.kvs {
		out.Kvs = append(out.Kvs, &mvccpb.KeyValue{Key: fmt.Appendf(nil, "%032d", i), Value: make([]byte, 1000)})
	}
	return out, nil
}

func serve(t *testing.T, s *grpc.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return l.Addr().String()
}

func serveFake(t *testing.T, f *fake) string {
	f.keys = map[string]int{}
	s := grpc.NewServer(grpc.MaxSendMsgSize(1 << 30))
	etcdserverpb.RegisterKVServer(s, f)
	return serve(t, s)
}

func TestEachKeyIsPutOnce(t *testing.T) {
	f := &fake{}
	spec := Spec{
		Address: serveFake(t, f), PID: os.Getpid(), Conns: 3, Clients: 50, Duration: time.Minute, Ops: 5000,
		Request: Request{Kind: Put, Keys: 5000, KeyBytes: 64, ValueBytes: 256, Each: true},
	}
	var parts []float64
	res, err := Run(spec, func(part float64, _ bool) { parts = append(parts, part) })
	if err != nil {
		t.Fatal(err)
	}
	if res.Ops != 5000 || res.Errors != 0 || len(f.keys) != 5000 {
		t.Errorf("%d ops, %d errors (%s), %d distinct keys; want 5000, 0, 5000", res.Ops, res.Errors, res.FirstError, len(f.keys))
	}
	for k, n := range f.keys {
		if n != 1 || len(k) != 64 || !strings.HasPrefix(k, keyPrefix) {
			t.Fatalf("key %q was put %d times", k, n)
		}
	}
	if res.P50 <= 0 || res.P50 > res.P99 || res.P99 > res.P999 || res.P999 > res.Max+res.Max/500 {
		t.Errorf("latencies are not in order: %+v", res)
	}
	if len(parts) == 0 || parts[len(parts)-1] > 1 {
		t.Errorf("progress = %v", parts)
	}
}

func TestRunByTime(t *testing.T) {
	spec := Spec{
		Address: serve(t, echo.New()), Conns: 2, Clients: 8, Warmup: 50 * time.Millisecond, Duration: 200 * time.Millisecond,
		Request: Request{Kind: Put, Keys: 10, KeyBytes: 32, ValueBytes: 16},
	}
	res, err := Run(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Ops == 0 || res.Errors != 0 || res.Elapsed != spec.Duration || res.OpsPerSecond() <= 0 {
		t.Errorf("result = %+v", res)
	}
}

// An answer of many megabytes passes several frames and several of our window updates.
func TestBigAnswers(t *testing.T) {
	f := &fake{kvs: 20_000}
	spec := Spec{
		Address: serveFake(t, f), Conns: 1, Clients: 2, Duration: time.Minute, Ops: 20,
		Request: Request{Kind: Range, Keys: 20_000, KeyBytes: 32, ValueBytes: 1000},
	}
	res, err := Run(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Ops != 20 || res.Errors != 0 || res.Bytes < 20*20_000*1000 {
		t.Errorf("result = %+v", res)
	}
}

func TestBadAnswersAreCounted(t *testing.T) {
	f := &fake{every: 10, kvs: 3}
	address := serveFake(t, f)
	put := Spec{
		Address: address, Conns: 1, Clients: 1, Duration: time.Minute, Ops: 100,
		Request: Request{Kind: Put, Keys: 100, KeyBytes: 32},
	}
	res, err := Run(put, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Ops != 90 || res.Errors != 10 || !strings.Contains(res.FirstError, "too many apples") {
		t.Errorf("result = %+v", res)
	}
	short := put
	short.Request = Request{Kind: Range, Keys: 4, KeyBytes: 32}
	if res, err = Run(short, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(res.FirstError, "expected count 4, 4 kvs, more false; found count 3, 3 kvs") {
		t.Errorf("first error = %q", res.FirstError)
	}
}

func TestLostServerEndsTheRun(t *testing.T) {
	s := echo.New()
	spec := Spec{
		Address: serve(t, s), Conns: 2, Clients: 4, Duration: time.Minute,
		Request: Request{Kind: Put, Keys: 10, KeyBytes: 32},
	}
	_, err := Run(spec, func(_ float64, measuring bool) {
		if measuring {
			go s.Stop()
		}
	})
	if err == nil {
		t.Error("the run has no error")
	}
}

func TestBadSpecs(t *testing.T) {
	good := Spec{Address: "127.0.0.1:1", Conns: 1, Clients: 1, Duration: time.Second, Request: Request{Kind: Put, Keys: 1, KeyBytes: 32}}
	for name, change := range map[string]func(*Spec){
		"no address":     func(s *Spec) { s.Address = "" },
		"no connection":  func(s *Spec) { s.Conns = 0 },
		"few clients":    func(s *Spec) { s.Conns = 2 },
		"no duration":    func(s *Spec) { s.Duration = 0 },
		"short keys":     func(s *Spec) { s.Request.KeyBytes = 8 },
		"unknown kind":   func(s *Spec) { s.Request.Kind = "sing" },
		"too long value": func(s *Spec) { s.Request.ValueBytes = maxRequestBytes },
		"warmup and ops": func(s *Spec) { s.Ops, s.Warmup = 1, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			if _, err := Run(bad, nil); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestScatterIsOneToOne(t *testing.T) {
	for _, keys := range []int64{1, 2, 10, 1000, 65536, 99_999} {
		seen := make([]bool, keys)
		stride := strideFor(keys)
		for n := range keys {
			k := scatter(uint64(n), stride, uint64(keys))
			if seen[k] {
				t.Fatalf("%d keys, stride %d: key %d comes twice", keys, stride, k)
			}
			seen[k] = true
		}
	}
}

func TestTemplateHoldsTheKey(t *testing.T) {
	for _, kind := range []Kind{Put, Get, TxnMix} {
		w, err := newWorkload(Request{Kind: kind, Keys: 10, KeyBytes: 40, ValueBytes: 10})
		if err != nil {
			t.Fatal(err)
		}
		for i := range w.templates {
			body := string(w.templates[i].append([]byte("before"), 0xabc, 0))
			if len(w.templates[i].holes) == 0 || strings.Contains(body, marker) || strings.Count(body, "0000000000000abc") != len(w.templates[i].holes) {
				t.Errorf("%s template %d: %q", kind, i, body)
			}
		}
	}
}
