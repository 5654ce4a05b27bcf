package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
	"quoin.dev/storage/backend"
)

// rewriteKeys puts some keys again and again and compacts, so that most of the database is free pages.
func rewriteKeys(ctx context.Context, cl *client.Client) {
	GinkgoHelper()
	var last int64
	var mu sync.Mutex
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			defer GinkgoRecover()
			for range 100 {
				var response *client.PutResponse
				Eventually(func() (err error) { // there may be an election
					response, err = cl.Put(ctx, fmt.Sprint("again", w), strings.Repeat("v", 4<<10))
					return err
				}, "60s").Should(Succeed())
				mu.Lock()
				last = max(last, response.Header.Revision)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	compact := func() error {
		_, err := cl.Compact(ctx, last, client.WithCompactPhysical())
		return err
	}
	// The answer to an earlier attempt may have been lost.
	Eventually(compact, "60s").Should(Or(Succeed(), MatchError(ContainSubstring("has been compacted"))))
}

func databaseSize(ctx context.Context, cl *client.Client, m *cluster.Member) int64 {
	GinkgoHelper()
	status, err := cl.Status(ctx, m.ClientURL)
	Expect(err).NotTo(HaveOccurred())
	return status.DbSize
}

// workFiles are those that only a running member needs.
func workFiles(m *cluster.Member) []string {
	GinkgoHelper()
	names, err := filepath.Glob(filepath.Join(m.Dir, "member", "snap", "db.tmp.*"))
	Expect(err).NotTo(HaveOccurred())
	return names
}

// defragmentAlways defragments a member again and again until the context ends; what a member that is killed answers does not
// count.
func defragmentAlways(ctx context.Context, cl *client.Client, m *cluster.Member) *sync.WaitGroup {
	running := new(sync.WaitGroup)
	running.Go(func() {
		for ctx.Err() == nil {
			_, _ = cl.Defragment(ctx, m.ClientURL)
		}
	})
	return running
}

var _ = Describe("maintenance", func() {
	It("gives back free space while every request is served", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		ctx := within(2 * time.Minute)
		rewriteKeys(ctx, cl)
		before := databaseSize(ctx, cl, c.Members[0])
		l := startLoad(cl, 8)
		l.reached(100)
		_, err := cl.Defragment(ctx, c.Members[0].ClientURL)
		Expect(err).NotTo(HaveOccurred())
		Expect(databaseSize(ctx, cl, c.Members[0])).To(BeNumerically("<", before/2))
		l.reached(100)
		l.stop()
		Expect(l.unknown).To(BeNumerically("<=", 8), "only the last write of each worker was cut off")
		l.verify(ctx, cl)
		Expect(c.Members[0].Log()).To(ContainSubstring("finished defragmenting the database"))
		Expect(workFiles(c.Members[0])).To(BeEmpty())
	})

	// etcd#14685, etcd#11613: entries were applied twice, or lost, when a member was killed during a defragmentation.
	It("survives kill -9 at any moment of a defragmentation", func() {
		c := start(cluster.Options{Members: 3})
		cl, victim := connect(c), c.Members[rand.IntN(3)]
		ctx := within(3 * time.Minute)
		rewriteKeys(ctx, cl)
		l := startLoad(cl, 8)
		for range 5 {
			defragmenting, stop := context.WithCancel(ctx)
			running := defragmentAlways(defragmenting, cl, victim)
			l.reached(int64(rand.IntN(100)))
			Expect(victim.Kill()).To(Succeed())
			stop()
			running.Wait()
			Expect(victim.Start()).To(Succeed())
			Expect(workFiles(victim)).To(BeEmpty())
		}
		l.reached(50)
		l.stop()
		for _, m := range c.Members {
			l.verify(ctx, connect(c, m))
		}
		expectEqualHashes(ctx, c)
	})

	// etcd#20271, etcd#20553: the database of a received snapshot and that of a defragmentation took each other's place.
	It("installs a snapshot from the leader during defragmentations", func() {
		c := start(cluster.Options{Members: 3, Flags: []string{"--snapshot-count=50", "--snapshot-catchup-entries=5"}})
		ctx := within(6 * time.Minute)
		leader := leaderOf(ctx, c)
		var victim *cluster.Member
		for _, m := range c.Members {
			if m != leader {
				victim = m
			}
		}
		cl := connect(c)
		rewriteKeys(ctx, cl)
		writer := connect(c, leader) // calls through others would wait for the victim
		defragmenting, stop := context.WithCancel(ctx)
		running := defragmentAlways(defragmenting, cl, victim)
		l := startLoad(writer, 8)
		Expect(victim.Pause()).To(Succeed())
		overflow(ctx, writer)
		l.reached(100)
		Expect(victim.Resume()).To(Succeed())
		Eventually(victim.Log, "60s").Should(ContainSubstring("applied snapshot"))
		l.reached(100)
		stop()
		running.Wait()
		l.stop()
		l.verify(ctx, connect(c, victim))
		expectEqualHashes(ctx, c)
		Expect(victim.Stop()).To(Succeed())
		Expect(workFiles(victim)).To(BeEmpty())
		Expect(victim.Start()).To(Succeed())
		expectEqualHashes(ctx, c)
	})

	It("sends a database that holds every write acknowledged before", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		ctx := within(2 * time.Minute)
		Eventually(func() (string, error) {
			status, err := cl.Status(ctx, c.Members[0].ClientURL)
			return status.GetStorageVersion(), err
		}, "20s").Should(Equal("3.7.0"))
		l := startLoad(cl, 8)
		for range 3 {
			l.reached(100)
			last, err := cl.Put(ctx, "last", "before the snapshot")
			Expect(err).NotTo(HaveOccurred())
			r, err := cl.SnapshotWithVersion(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(r.Version).To(Equal("3.7.0"))
			data, err := io.ReadAll(r.Snapshot)
			Expect(err).NotTo(HaveOccurred(), "the client verifies the checksum")
			Expect(r.Snapshot.Close()).To(Succeed())
			path := filepath.Join(GinkgoT().TempDir(), "db")
			Expect(os.WriteFile(path, data[:len(data)-32], 0o600)).To(Succeed())
			b, err := backend.Open(backend.Options{Path: path, ReadOnly: true})
			Expect(err).NotTo(HaveOccurred())
			v := b.View()
			_, _, found := v.GetRevision(backend.Revision{Main: last.Header.Revision})
			v.Close()
			Expect(found).To(BeTrue())
			Expect(b.Close()).To(Succeed())
		}
		l.stop()
	})

	It("goes on while a client reads a snapshot slowly", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		ctx := within(2 * time.Minute)
		rewriteKeys(ctx, cl)
		r, err := cl.Snapshot(ctx)
		Expect(err).NotTo(HaveOccurred())
		_, err = io.CopyN(io.Discard, r, 100)
		Expect(err).NotTo(HaveOccurred())
		l := startLoad(cl, 8)
		l.reached(200)
		_, err = cl.Defragment(ctx, c.Members[0].ClientURL)
		Expect(err).NotTo(HaveOccurred())
		l.reached(200)
		_, err = io.Copy(io.Discard, r)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Close()).To(Succeed())
		l.stop()
		l.verify(ctx, cl)
	})

	It("defragments at the start when there is enough to gain", func() {
		c := start(cluster.Options{Members: 1, Flags: []string{"--bootstrap-defrag-threshold-megabytes=1"}})
		m, cl := c.Members[0], connect(c)
		ctx := within(2 * time.Minute)
		Expect(m.Log()).To(ContainSubstring("Skipping defragmentation"))
		rewriteKeys(ctx, cl)
		hash, err := cl.HashKV(ctx, m.ClientURL, 0)
		Expect(err).NotTo(HaveOccurred())
		before := databaseSize(ctx, cl, m)
		Expect(m.Kill()).To(Succeed())
		leftover := filepath.Join(m.Dir, "member", "snap", "db.tmp.42")
		Expect(os.WriteFile(leftover, []byte("what a kill left"), 0o600)).To(Succeed())
		Expect(m.Start()).To(Succeed())
		Expect(leftover).NotTo(BeAnExistingFile())
		Expect(databaseSize(ctx, cl, m)).To(BeNumerically("<", before/2))
		after, err := cl.HashKV(ctx, m.ClientURL, 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.HashRevision).To(Equal(hash.HashRevision))
		_, err = os.Stat(leftover)
		Expect(errors.Is(err, os.ErrNotExist)).To(BeTrue())
	})
})
