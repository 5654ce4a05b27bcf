package systemd

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
)

// recorded is a manager that remembers what it was told.
type recorded struct {
	*Manager
	mu   sync.Mutex
	told []string
}

func newRecorded(watchdog time.Duration) *recorded {
	r := new(recorded)
	r.Manager = &Manager{logger: zap.NewNop(), watchdog: watchdog, send: func(state string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, state)
		return nil
	}}
	return r
}

func (r *recorded) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(strings.Join(r.told, "\n"), what)
}

// The manager must hear of a member in time while it is well, and must not while it is not.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		r := newRecorded(time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		var stuck error
		go r.Watchdog(ctx, func(within context.Context, bound time.Duration) error {
			deadline, ok := within.Deadline()
			if !ok || time.Until(deadline) > bound/2 {
				t.Error("the question has no deadline that leaves time")
			}
			mu.Lock()
			defer mu.Unlock()
			return stuck
		})
		time.Sleep(10 * time.Minute)
		w.Expect(r.count("WATCHDOG=1")).To(BeNumerically(">=", 20), "twice as often as necessary, at least")
		mu.Lock()
		stuck = errors.New("stuck")
		mu.Unlock()
		time.Sleep(time.Second)
		before := r.count("WATCHDOG=1")
		time.Sleep(10 * time.Minute)
		w.Expect(r.count("WATCHDOG=1")).To(Equal(before))
		mu.Lock()
		stuck = nil
		mu.Unlock()
		time.Sleep(time.Minute)
		w.Expect(r.count("WATCHDOG=1")).To(BeNumerically(">", before))
		cancel()
		synctest.Wait()
	})
}

func TestNobodyIsToldWithoutAWatchdog(t *testing.T) {
	r := newRecorded(0)
	r.Watchdog(t.Context(), func(context.Context, time.Duration) error { return nil })
	NewWithT(t).Expect(r.told).To(BeEmpty())
}

func TestStatusIsToldWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorded(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		r.Report(ctx, func() string {
			if time.Since(begun) < time.Minute {
				return "follows"
			}
			return "leads"
		})
		NewWithT(t).Expect(r.told).To(Equal([]string{"STATUS=follows", "STATUS=leads"}))
	})
}

func TestStartAsksForPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorded(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.Starting(ctx)
		NewWithT(t).Expect(r.count("EXTEND_TIMEOUT_USEC=30000000")).To(BeNumerically("~", 6, 1))
	})
}

func TestManagerOfTheEnvironment(t *testing.T) {
	w := NewWithT(t)
	path := filepath.Join(t.TempDir(), "s")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	w.Expect(err).NotTo(HaveOccurred())
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", "")
	m := New(zap.NewNop())
	w.Expect(m.watchdog).To(Equal(3 * time.Second))
	m.Ready()
	m.Stopping()
	buffer := make([]byte, 100)
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		w.Expect(socket.SetReadDeadline(time.Now().Add(30 * time.Second))).To(Succeed())
		n, err := socket.Read(buffer)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(string(buffer[:n])).To(Equal(want))
	}

	t.Setenv("NOTIFY_SOCKET", "")
	none := New(zap.NewNop())
	none.Ready()
	w.Expect(none.watchdog).To(BeZero())
}
