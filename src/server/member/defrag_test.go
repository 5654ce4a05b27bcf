package member

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/storage/mvcc"
)

// rewritten fills the store with versions of some keys, compacts most of them away, and returns the hash.
func rewritten(t *testing.T, m *Member) mvcc.HashKV {
	t.Helper()
	w := NewWithT(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 60 {
				m.put(t, fmt.Sprint("key", i), strings.Repeat("v", 4<<10))
			}
		})
	}
	wg.Wait()
	w.Expect(m.backend.Flush()).To(Succeed(), "what is compacted before it is written would never be in the file")
	now, err := m.Revision()
	w.Expect(err).NotTo(HaveOccurred())
	result, err := m.Propose(t.Context(), &pb.InternalRaftRequest{Compaction: &pb.CompactionRequest{Revision: now, Physical: true}})
	w.Expect(err).NotTo(HaveOccurred())
	w.Eventually(result.Physical, "30s").Should(BeClosed())
	m.put(t, "key0", "last") // the hash at the compacted revision is one of before
	return m.hash(t)
}

func TestDefragmentWhileServing(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	before := rewritten(t, m)
	size := m.Status().DBSize
	w.Expect(m.Defragment(t.Context())).To(Succeed())
	w.Expect(m.Status().DBSize).To(BeNumerically("<", size/2))
	w.Expect(m.hash(t).Hash).To(Equal(before.Hash))
	m.put(t, "key1", "new")
	m.Stop()
	w.Expect(m.Defragment(t.Context())).To(MatchError(ErrStopped))
	m = beginReady(t, m.cfg)
	w.Expect(m.get(t, "key1")).To(Equal("new"))
}

// TestDefragmentGoesOnWithoutItsCaller: the deadline of a client is that of a small request.
func TestDefragmentGoesOnWithoutItsCaller(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	rewritten(t, m)
	size := m.Status().DBSize
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Defragment(ctx); err != nil { // it may be quicker than that
		w.Expect(err).To(MatchError(context.Canceled))
	}
	w.Eventually(func() int64 { return m.Status().DBSize }, "30s").Should(BeNumerically("<", size/2))
}

// TestInstallDuringDefragmentation: a received snapshot replaces the database at any moment of one (etcd#20271, etcd#20553).
// Reads of hashes go on or are answered from the new state.
func TestInstallDuringDefragmentation(t *testing.T) {
	w := NewWithT(t)
	m := quiet(t)
	rewritten(t, m)
	stop := make(chan struct{})
	var others sync.WaitGroup
	for _, f := range []func() error{
		func() error {
			if err := m.Defragment(context.Background()); err != errReplaced {
				return err
			}
			return nil
		},
		func() error { _, err := m.HashKV(0); return err },
		func() error { _, _, err := m.Hash(); return err },
		func() error {
			db, err := m.OpenDatabase()
			if err != nil {
				return err
			}
			return db.Close()
		},
	} {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := f(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	want := m.hash(t)
	for range 15 {
		snapshot := received(t, m)
		w.Expect((&machine{m: m}).install(snapshot)).To(Succeed())
		w.Expect(m.hash(t).Hash).To(Equal(want.Hash))
		w.Eventually(func() []string {
			names, err := filepath.Glob(filepath.Join(m.cfg.SnapDir(), "db.tmp.*"))
			w.Expect(err).NotTo(HaveOccurred())
			return names
		}, "30s").Should(Or(BeEmpty(), HaveLen(1)), "at most that of the defragmentation under way")
	}
	close(stop)
	others.Wait()
	m.Stop()
	names, err := filepath.Glob(filepath.Join(m.cfg.SnapDir(), "db.tmp.*"))
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(names).To(BeEmpty())
	m = beginReady(t, m.cfg)
	w.Expect(m.hash(t).Hash).To(Equal(want.Hash))
}

// TestHashDoesNotHoldUpAnInstall: the hash of a big store takes minutes; it ends with the state that it reads.
func TestHashDoesNotHoldUpAnInstall(t *testing.T) {
	w := NewWithT(t)
	m := quiet(t)
	w.Expect(m.View(func(s *apply.State) error {
		s.KV.Close()
		_, err := s.KV.HashKV(0)
		w.Expect(err).To(MatchError(mvcc.ErrClosed))
		return nil
	})).To(Succeed())
	hashed := make(chan error, 1)
	go func() {
		_, err := m.HashKV(0)
		hashed <- err
	}()
	w.Eventually(hashed, "30s").Should(Receive(MatchError(ErrStopped)), "nothing has replaced the state that was closed")
}

func TestDefragmentAtStart(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	m := beginReady(t, cfg)
	rewritten(t, m)
	status := m.Status()
	w.Eventually(func() int64 { status = m.Status(); return status.DBSize - status.DBSizeInUse }, "30s").Should(BeNumerically(">", 1<<20))
	m.Stop()
	startWith := func(threshold uint) (*Member, string) {
		core, logs := observer.New(zap.InfoLevel)
		cfg.Storage.DefragThresholdMiB = threshold
		m, err := Start(Options{Config: cfg, Logger: zap.New(core), Fatal: func(err error) { t.Error(err) }})
		w.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(m.Stop)
		var text bytes.Buffer
		for _, e := range logs.All() {
			fmt.Fprintln(&text, e.Message)
		}
		return m, text.String()
	}
	m, log := startWith(1000)
	w.Expect(log).To(ContainSubstring("Skipping defragmentation"))
	w.Expect(m.Status().DBSize).To(BeNumerically(">=", status.DBSize))
	m.Stop()
	// What a kill during a defragmentation leaves is removed first.
	leftover := filepath.Join(cfg.SnapDir(), "db.tmp.0123456789abcdef")
	w.Expect(os.WriteFile(leftover, make([]byte, 100), 0o600)).To(Succeed())
	m, log = startWith(1)
	w.Expect(log).To(ContainSubstring("finished defragmenting the database"))
	w.Expect(leftover).NotTo(BeAnExistingFile())
	w.Expect(m.Status().DBSize).To(BeNumerically("<", status.DBSize/2))
	w.Eventually(m.Ready(), "30s").Should(BeClosed())
	w.Expect(m.get(t, "key3")).NotTo(BeEmpty())
}
