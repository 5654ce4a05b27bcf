package client_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	pb "quoin.dev/api/etcdserverpb"
)

// dialog is the member's side of a stream in both directions, led by a test.
type dialog[Q, A any] struct {
	ctx      context.Context
	requests chan *Q
	replies  chan *A
	over     chan error
}

// lead lets a test lead a stream until it ends it, or the client does.
func lead[Q, A any](server grpc.BidiStreamingServer[Q, A], to chan<- *dialog[Q, A]) error {
	d := &dialog[Q, A]{server.Context(), make(chan *Q, 10_000), make(chan *A), make(chan error)}
	to <- d
	go func() {
		for {
			q, err := server.Recv()
			if err != nil {
				close(d.requests)
				return
			}
			d.requests <- q
		}
	}()
	for {
		select {
		case a := <-d.replies:
			if err := server.Send(a); err != nil {
				return err
			}
		case err := <-d.over:
			return err
		case <-d.ctx.Done():
			return d.ctx.Err()
		}
	}
}

func (m *member) Watch(s pb.Watch_WatchServer) error                   { return lead(s, m.watches) }
func (m *member) LeaseKeepAlive(s pb.Lease_LeaseKeepAliveServer) error { return lead(s, m.renewals) }

// next returns the next value of a channel that is not closed.
func next[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-ch:
		if !ok {
			t.Fatalf("the channel of %s is closed", what)
		}
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("no %s within 30 s", what)
	}
	panic("unreachable")
}

// closed waits until a channel is closed, and fails for values that come before.
func closed[T any](t *testing.T, what string, ch <-chan T) {
	t.Helper()
	select {
	case v, ok := <-ch:
		if ok {
			t.Fatalf("%s: %+v instead of the end", what, v)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: no end within 30 s", what)
	}
}

func (d *dialog[Q, A]) request(t *testing.T) *Q {
	t.Helper()
	return next(t, "request", d.requests)
}

func (d *dialog[Q, A]) say(t *testing.T, replies ...*A) {
	t.Helper()
	for _, a := range replies {
		select {
		case d.replies <- a:
		case <-d.ctx.Done():
			t.Fatal("the stream has ended")
		case <-time.After(30 * time.Second):
			t.Fatal("the stream takes no reply")
		}
	}
}

func (d *dialog[Q, A]) end(t *testing.T, err error) {
	t.Helper()
	select {
	case d.over <- err:
	case <-d.ctx.Done():
	}
}

// header returns the first value of a header of the request that opened the stream.
func (d *dialog[Q, A]) header(key string) string {
	md, _ := metadata.FromIncomingContext(d.ctx)
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}
