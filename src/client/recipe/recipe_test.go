package recipe_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
	"quoin.dev/client/internal/standin"
	"quoin.dev/client/recipe"
)

func TestRWMutex(t *testing.T) {
	m, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	c, err := client.New(client.Config{Endpoints: []string{m.Address}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := concurrency.NewSession(c)
	if err != nil {
		t.Fatal(err)
	}
	// Two readers hold it together.
	a, b := recipe.NewRWMutex(s, "rw"), recipe.NewRWMutex(s, "rw")
	for _, err := range []error{a.RLock(), b.RLock()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := a.RUnlock(); err != nil {
		t.Fatal(err)
	}
	if err := a.Unlock(); err != concurrency.ErrLockReleased {
		t.Error(err)
	}
	// A writer holds it alone, and who comes after it waits for it.
	var writing, together, done atomic.Int32
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			rw := recipe.NewRWMutex(s, "rw")
			if i%2 == 0 {
				if err := rw.Lock(); err != nil {
					t.Error(err)
				}
				together.Add(writing.Add(1) - 1)
				writing.Add(-1)
				done.Add(1)
				if err := rw.Unlock(); err != nil {
					t.Error(err)
				}
				return
			}
			if err := rw.RLock(); err != nil {
				t.Error(err)
			}
			together.Add(writing.Load())
			if err := rw.RUnlock(); err != nil {
				t.Error(err)
			}
		})
	}
	waits(t, c, "rw/write", 3)
	if done.Load() != 0 {
		t.Error("a writer got the lock that a reader holds")
	}
	if err := b.RUnlock(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if together.Load() != 0 || done.Load() != 3 {
		t.Errorf("%d meetings with a writer, %d writers", together.Load(), done.Load())
	}

	// The end of the session ends the wait.
	if err := b.RLock(); err != nil {
		t.Fatal(err)
	}
	lost, err := concurrency.NewSession(c, concurrency.WithTTL(6))
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() { got <- recipe.NewRWMutex(lost, "rw").Lock() }()
	waits(t, c, "rw/write", 1)
	m.Expire(int64(lost.Lease()))
	if err := <-got; err != concurrency.ErrSessionExpired {
		t.Error(err)
	}
}

// waits returns when a number of keys have a prefix.
func waits(t *testing.T, c *client.Client, prefix string, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		r, err := c.Get(ctx, prefix, client.WithPrefix())
		if err != nil {
			t.Fatal(err)
		}
		if r.Count == n {
			return
		}
	}
}

// TestLostPlace: when the answer to taking a place in the line is lost, nobody waits for it.
func TestLostPlace(t *testing.T) {
	m, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	var lose atomic.Bool
	lossy := grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := call(ctx, method, req, reply, cc, opts...)
		if strings.HasSuffix(method, "/Txn") && lose.Swap(false) {
			return status.Error(codes.Unavailable, "the connection broke")
		}
		return err
	})
	c, err := client.New(client.Config{Endpoints: []string{m.Address}, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{lossy}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := concurrency.NewSession(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, lock := range []func(*recipe.RWMutex) error{(*recipe.RWMutex).Lock, (*recipe.RWMutex).RLock} {
		lose.Store(true)
		if err := lock(recipe.NewRWMutex(s, "rw")); status.Code(err) != codes.Unavailable {
			t.Fatalf("the answer was not lost: %v", err)
		}
		waits(t, c, "rw/", 0)
	}
}
