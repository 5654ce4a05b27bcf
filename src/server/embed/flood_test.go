package embed

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	pb "quoin.dev/api/etcdserverpb"
)

// An attack keeps a connection busy in a way that no honest client does, until the connection or ctx ends.
type attack func(ctx context.Context, conn net.Conn) error

// everySoOften sends bytes one by one, just often enough not to be silent.
func everySoOften(ctx context.Context, conn net.Conn, text string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, b := range []byte(text) {
		if _, err := conn.Write([]byte{b}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func greet(conn net.Conn) (*http2.Framer, error) {
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, err
	}
	f := http2.NewFramer(conn, conn)
	go func() { // whatever the server says is taken, or it would stop to talk
		for {
			if _, err := f.ReadFrame(); err != nil {
				return
			}
		}
	}()
	return f, f.WriteSettings()
}

// headers are those of a put, ready for a HEADERS frame.
func headers(more ...hpack.HeaderField) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, h := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/etcdserverpb.KV/Put"},
		{Name: ":authority", Value: "localhost"}, {Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	}, more...) {
		_ = e.WriteField(h)
	}
	return b.Bytes()
}

// streams opens one stream after the other, and lets each of them be, or takes it back.
func streams(ctx context.Context, conn net.Conn, limit uint32, takeBack bool) error {
	f, err := greet(conn)
	if err != nil {
		return err
	}
	for id := uint32(1); id < 2*limit && ctx.Err() == nil; id += 2 {
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers(), EndHeaders: true}); err != nil {
			return err
		}
		if takeBack {
			if err := f.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
				return err
			}
		}
	}
	<-ctx.Done()
	return nil
}

var attacks = map[string]struct {
	connections int
	attack      attack
}{
	"silence": {500, func(ctx context.Context, conn net.Conn) error { <-ctx.Done(); return nil }},
	"slow HTTP headers": {200, func(ctx context.Context, conn net.Conn) error {
		return everySoOften(ctx, conn, "GET /version HTTP/1.1\r\nHost: localhost\r\nX-Slow: "+strings.Repeat("x", 1000))
	}},
	"slow greeting": {200, func(ctx context.Context, conn net.Conn) error {
		return everySoOften(ctx, conn, http2.ClientPreface+strings.Repeat("\x00", 1000))
	}},
	"large HTTP headers": {4, func(ctx context.Context, conn net.Conn) error {
		_, err := io.WriteString(conn, "GET /version HTTP/1.1\r\nHost: localhost\r\n")
		for err == nil && ctx.Err() == nil {
			_, err = io.WriteString(conn, "X-Large: "+strings.Repeat("x", 64<<10)+"\r\n")
		}
		return err
	}},
	"headers without an end": {4, func(ctx context.Context, conn net.Conn) error {
		f, err := greet(conn)
		if err != nil {
			return err
		}
		err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers()})
		for n := 0; err == nil && ctx.Err() == nil; n++ {
			var more bytes.Buffer
			_ = hpack.NewEncoder(&more).WriteField(hpack.HeaderField{Name: fmt.Sprint("x-", n), Value: strings.Repeat("x", 8<<10)})
			err = f.WriteContinuation(1, false, more.Bytes())
		}
		return err
	}},
	"streams left open":  {2, func(ctx context.Context, conn net.Conn) error { return streams(ctx, conn, 5000, false) }},
	"streams taken back": {2, func(ctx context.Context, conn net.Conn) error { return streams(ctx, conn, 1<<30, true) }},
	"garbage": {50, func(ctx context.Context, conn net.Conn) error {
		return everySoOften(ctx, conn, strings.Repeat("\xff\x00", 1000))
	}},
}

// puts writes through a client of its own and returns how long each took, sorted.
func puts(t *testing.T, kv pb.KVClient, n int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		began := time.Now()
		_, err := kv.Put(ctx, &pb.PutRequest{Key: []byte("key"), Value: []byte("value")})
		cancel()
		if err != nil {
			t.Fatalf("put %d of %d: %v", i, n, err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took
}

// TestOthersAreServed: clients that mean no good take no more than their part; one that comes meanwhile, and one that was there
// before, are served. How much longer their requests take is printed. CVE-2026-73500 is
// the connections that say nothing.
func TestOthersAreServed(t *testing.T) {
	s := startServing(t, settings(t))
	before := connect(t, s.ClientAddrs()[0].String())
	const n = 30
	puts(t, pb.NewKVClient(before), n)
	for name, a := range attacks {
		t.Run(name, func(t *testing.T) {
			quiet := puts(t, pb.NewKVClient(before), n)
			ctx, cancel := context.WithCancel(t.Context())
			var attackers sync.WaitGroup
			begun := make(chan struct{}, a.connections)
			for range a.connections {
				attackers.Go(func() {
					for first := true; ctx.Err() == nil; first = false {
						conn, err := net.Dial("tcp", s.ClientAddrs()[0].String())
						if first {
							begun <- struct{}{}
						}
						if err != nil {
							return
						}
						stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
						_ = a.attack(ctx, conn) // the server may end it: then it begins again
						stop()
						_ = conn.Close()
					}
				})
			}
			for range a.connections {
				<-begun
			}
			old := puts(t, pb.NewKVClient(before), n)
			fresh := puts(t, pb.NewKVClient(connect(t, s.ClientAddrs()[0].String())), n)
			cancel()
			attackers.Wait()
			t.Logf("median and longest put: before %v, %v; meanwhile %v, %v; through a new connection %v, %v",
				quiet[n/2], quiet[n-1], old[n/2], old[n-1], fresh[n/2], fresh[n-1])
		})
	}
}
