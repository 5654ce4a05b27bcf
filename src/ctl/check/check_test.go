package check

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

// store counts puts and refuses every third.
type store struct {
	pb.UnimplementedKVServer
	mu    sync.Mutex
	keys  map[string]bool
	sizes map[[2]int]bool
	calls int
}

func (s *store) Put(_ context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.keys[string(r.Key)] = true
	s.sizes[[2]int{len(r.Key), len(r.Value)}] = true
	if s.calls%3 == 0 {
		return nil, rpctypes.ErrGRPCNoSpace
	}
	return &pb.PutResponse{Header: &pb.ResponseHeader{}}, nil
}

func start(t *testing.T, clients int) (*store, []*client.Client) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &store{keys: map[string]bool{}, sizes: map[[2]int]bool{}}
	g := grpc.NewServer()
	pb.RegisterKVServer(g, s)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	var all []*client.Client
	for range clients {
		c, err := client.New(client.Config{Endpoints: []string{l.Addr().String()}, Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		all = append(all, c)
	}
	return s, all
}

func TestCountedLoad(t *testing.T) {
	s, clients := start(t, 3)
	l := Load{Clients: clients, Count: 90, Timeout: 10 * time.Second, Prefix: "p/", KeyBytes: 64, ValueBytes: 100}
	var done atomic.Int64
	o := l.Run(t.Context(), &done)
	if o.Succeeded != 60 || done.Load() != 90 || o.Errors[rpctypes.ErrNoSpace.Error()] != 30 || len(o.Errors) != 1 {
		t.Errorf("got %+v, %d done", o, done.Load())
	}
	if len(s.keys) != 90 || len(s.sizes) != 1 || !s.sizes[[2]int{66, 100}] {
		t.Errorf("%d keys of sizes %v", len(s.keys), s.sizes)
	}
	if o.Slowest <= 0 || o.Slowest > o.Elapsed || !(o.Stddev >= 0) {
		t.Errorf("got %+v", o)
	}
}

// The rate bounds the load from above, whatever the machine is busy with.
func TestLoadKeepsItsRate(t *testing.T) {
	_, clients := start(t, 2)
	l := Load{Clients: clients, Rate: 50, Duration: 300 * time.Millisecond, Timeout: 10 * time.Second, KeyBytes: 16}
	o := l.Run(t.Context(), new(atomic.Int64))
	most := int64(o.Elapsed.Seconds()*50) + 1
	if puts := o.Succeeded + int64(o.Errors[rpctypes.ErrNoSpace.Error()]); puts == 0 || puts > most || o.Elapsed < l.Duration {
		t.Errorf("%d puts in %v, want at most %d", puts, o.Elapsed, most)
	}
}

func TestLoadIsInterrupted(t *testing.T) {
	_, clients := start(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := Load{Clients: clients, Rate: 1, Duration: time.Hour, Timeout: time.Second, KeyBytes: 16}
	if o := l.Run(ctx, new(atomic.Int64)); o.Succeeded > 1 || o.Succeeded == 0 && !math.IsNaN(o.Stddev) {
		t.Errorf("got %+v", o)
	}
}

func TestOutcome(t *testing.T) {
	r := recorder{errors: map[string]int{}}
	for _, ms := range []time.Duration{2, 4, 4, 4, 5, 5, 7, 9} {
		r.record(ms*time.Millisecond, nil)
	}
	o := r.outcome(time.Second)
	if math.Abs(o.Stddev-0.002) > 1e-9 || o.Slowest != 9*time.Millisecond || o.Succeeded != 8 {
		t.Errorf("got %+v", o)
	}
	for i := range 3 * maxErrors {
		r.record(0, errors.New(strings.Repeat("x", i)))
	}
	if len(r.errors) != maxErrors+1 || r.errors["other errors"] != 2*maxErrors {
		t.Errorf("%d errors are told apart, %d not", len(r.errors), r.errors["other errors"])
	}
}

func TestResidentMemory(t *testing.T) {
	for body, want := range map[string]int64{
		"# HELP process_resident_memory_bytes x\nprocess_resident_memory_bytes 1.5e+07\nother 3\n": 15e6,
		"process_resident_memory_bytes 7":     7,
		"process_resident_memory_bytes_2 7\n": 0,
		"":                                    0,
	} {
		for _, secure := range []bool{false, true} {
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/metrics" {
					_, _ = w.Write([]byte(body))
				}
			})
			s := httptest.NewUnstartedServer(handler)
			if secure {
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
			config := s.Client().Transport.(*http.Transport).TLSClientConfig
			for _, endpoint := range []string{s.URL, s.Listener.Addr().String()} {
				got, err := ResidentMemory(t.Context(), endpoint, config)
				if got != want || (want == 0) != errors.Is(err, ErrNoMemory) {
					t.Errorf("%s: got %d, %v, want %d", endpoint, got, err, want)
				}
			}
		}
	}
	if _, err := ResidentMemory(t.Context(), "127.0.0.1:1", nil); err == nil || !strings.HasPrefix(err.Error(), `fetch error: Get "http://127.0.0.1:1/metrics": `) {
		t.Errorf("got error %v", err)
	}
}
