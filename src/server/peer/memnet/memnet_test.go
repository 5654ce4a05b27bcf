package memnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"quoin.dev/server/peer/memnet"
)

// pair returns both ends of a connection from host a to host b.
func pair(t *testing.T, n *memnet.Network) (client, server net.Conn) {
	t.Helper()
	l, err := n.Host("b").Listen("b:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if client, err = n.Host("a").DialContext(t.Context(), "tcp", "b:1"); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

func TestBytesArriveInOrderPastTheBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t, memnet.New())
		sent := make([]byte, 3<<20)
		for i := range sent {
			sent[i] = byte(i * i >> 5)
		}
		go func() {
			if _, err := client.Write(sent); err != nil {
				t.Error(err)
			}
			client.Close()
		}()
		got, err := io.ReadAll(server)
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes, error %v", len(got), err)
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Fatalf("write to a closed end: %v", err)
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		client, server := pair(t, n)
		n.Delay(30 * time.Millisecond)
		start := time.Now()
		if _, err := client.Write([]byte("ab")); err != nil || time.Since(start) != 0 {
			t.Fatalf("writing took %v, error %v", time.Since(start), err)
		}
		if _, err := io.ReadFull(server, make([]byte, 2)); err != nil || time.Since(start) != 30*time.Millisecond {
			t.Fatalf("reading took %v, error %v", time.Since(start), err)
		}
	})
}

func TestCutHoldsEverythingUntilHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		client, server := pair(t, n)
		n.Cut("b", "a")
		if _, err := client.Write([]byte("late")); err != nil {
			t.Fatal(err)
		}
		client.Close()
		server.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := server.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read over a cut link: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Host("a").DialContext(ctx, "tcp", "b:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial over a cut link: %v", err)
		}
		n.Heal("a", "b")
		server.SetReadDeadline(time.Time{})
		if got, err := io.ReadAll(server); string(got) != "late" || err != nil {
			t.Fatalf("%q, error %v", got, err)
		}
		if c, err := n.Host("a").DialContext(t.Context(), "tcp", "b:1"); err != nil {
			t.Fatal(err)
		} else {
			c.Close()
		}
	})
}

func TestBreakEndsBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		client, server := pair(t, n)
		n.Break("a", "b")
		for name, c := range map[string]net.Conn{"client": client, "server": server} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: read %v", name, err)
			}
			if _, err := c.Write(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: write %v", name, err)
			}
		}
	})
}

func TestDeadlinesWakeWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := pair(t, memnet.New())
		start := time.Now()
		client.SetDeadline(start.Add(time.Hour))
		go func() {
			<-time.After(time.Second)
			client.SetReadDeadline(time.Unix(1, 0))
		}()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("read after %v: %v", time.Since(start), err)
		}
		n, err := client.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Hour || n == 0 || n == 1<<20 {
			t.Fatalf("write of %d bytes after %v: %v", n, time.Since(start), err)
		}
	})
}

func TestListeners(t *testing.T) {
	n := memnet.New()
	if _, err := n.Host("a").DialContext(t.Context(), "tcp", "b:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dial without listener: %v", err)
	}
	l, err := n.Host("b").Listen("b:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Host("b").Listen("b:1"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("second listener: %v", err)
	}
	waiting, err := n.Host("a").DialContext(t.Context(), "tcp", "b:1")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("accept on a closed listener: %v", err)
	}
	if _, err := waiting.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("connection that nobody accepted: %v", err)
	}
	waiting.Close()
	if err := waiting.Close(); err == nil {
		t.Fatal("closing twice gave no error")
	}
}
