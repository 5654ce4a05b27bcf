package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

var _ = Describe("one member", func() {
	It("serves keys and still has them after it was stopped", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		ctx := within(time.Minute)
		_, err := cl.Put(ctx, "a", "1")
		Expect(err).NotTo(HaveOccurred())
		before, err := cl.HashKV(ctx, c.Members[0].ClientURL, 0)
		Expect(err).NotTo(HaveOccurred())

		Expect(c.Members[0].Stop()).To(Succeed())
		Expect(c.Members[0].ExitCode()).To(Equal(0))
		Expect(c.Members[0].Log()).NotTo(ContainSubstring(`"level":"error"`))
		Expect(c.Members[0].Start()).To(Succeed())

		response, err := cl.Get(ctx, "a")
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Kvs).To(HaveLen(1))
		Expect(string(response.Kvs[0].Value)).To(Equal("1"))
		after, err := cl.HashKV(ctx, c.Members[0].ClientURL, 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Hash).To(Equal(before.Hash))
	})

	// etcd#14370: a single member acknowledged before its log was on disk.
	It("keeps every acknowledged write through kill -9", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		l := startLoad(cl, 8)
		for range 3 {
			l.reached(200)
			Expect(c.Members[0].Kill()).To(Succeed())
			Expect(c.Members[0].Start()).To(Succeed())
		}
		l.reached(50)
		l.stop()
		l.verify(within(time.Minute), cl)
	})

	It("keeps its log short and restarts from a snapshot", func() {
		c := start(cluster.Options{Members: 1, Flags: []string{"--snapshot-count=100", "--snapshot-catchup-entries=50"}})
		cl := connect(c)
		l := startLoad(cl, 4)
		l.reached(600)
		l.stop()
		Eventually(c.Members[0].Log, "10s").Should(ContainSubstring("saved snapshot"))
		Expect(c.Members[0].Kill()).To(Succeed())
		Expect(c.Members[0].Start()).To(Succeed())
		l.verify(within(time.Minute), cl)
	})

	It("starts from variables alone", func() {
		c := prepare(cluster.Options{Members: 1})
		m := c.Members[0]
		for _, arg := range m.Args() {
			name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			m.Env = append(m.Env, "ETCD_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+value)
		}
		Expect(c.Start()).To(Succeed())
		_, err := connect(c).Put(within(time.Minute), "a", "1")
		Expect(err).NotTo(HaveOccurred())
	})

	It("finishes a compaction that a kill interrupted", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		ctx := within(time.Minute)
		var last int64
		for range 50 {
			response, err := cl.Put(ctx, "k", strings.Repeat("x", 100))
			Expect(err).NotTo(HaveOccurred())
			last = response.Header.Revision
		}
		_, err := cl.Compact(ctx, last-5)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Members[0].Kill()).To(Succeed())
		Expect(c.Members[0].Start()).To(Succeed())
		_, err = cl.Get(ctx, "k", client.WithRev(last-6))
		Expect(err).To(MatchError(ContainSubstring("compacted")))
		response, err := cl.Get(ctx, "k", client.WithRev(last-5))
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Kvs[0].ModRevision).To(Equal(last - 5))
	})
})

var _ = Describe("a directory that can not be used", func() {
	// refused starts the member, which must end with one clear line and leave the directory as it was.
	refused := func(m *cluster.Member, wanted string) {
		GinkgoHelper()
		before := fingerprint(m.Dir)
		Expect(m.Launch()).To(Succeed())
		Eventually(m.Running, "20s").Should(BeFalse())
		Expect(m.ExitCode()).NotTo(Equal(0))
		Expect(m.Log()).To(ContainSubstring(wanted))
		Expect(m.Log()).NotTo(ContainSubstring("goroutine "), "a bad directory is no reason to panic")
		Expect(fingerprint(m.Dir)).To(Equal(before))
	}
	// used returns a member that has written something and was stopped.
	used := func() *cluster.Member {
		GinkgoHelper()
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		for range 20 {
			_, err := cl.Put(within(time.Minute), "k", strings.Repeat("v", 1000))
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(c.Members[0].Stop()).To(Succeed())
		return c.Members[0]
	}

	It("is locked by a live process", func() {
		c := start(cluster.Options{Members: 1})
		other := prepare(cluster.Options{Members: 1}).Members[0]
		other.Dir = c.Members[0].Dir
		Expect(other.Launch()).To(Succeed())
		Eventually(other.Running, "20s").Should(BeFalse())
		Expect(other.ExitCode()).NotTo(Equal(0))
		Expect(other.Log()).To(ContainSubstring("in use by another process"))
		_, err := connect(c).Put(within(time.Minute), "still", "alive")
		Expect(err).NotTo(HaveOccurred())
	})

	It("has a flipped bit in the middle of its write-ahead log", func() {
		m := used()
		segments, err := filepath.Glob(filepath.Join(m.Dir, "member", "wal", "*.wal"))
		Expect(err).NotTo(HaveOccurred())
		flip(segments[0], 2000)
		refused(m, "wal")
	})

	It("has a damaged database", func() {
		m := used()
		db := filepath.Join(m.Dir, "member", "snap", "db")
		Expect(os.Truncate(db, 6000)).To(Succeed())
		refused(m, "damaged")
	})

	It("has a log that ends before its database", func() {
		m := used()
		Expect(os.RemoveAll(filepath.Join(m.Dir, "member", "wal"))).To(Succeed())
		Expect(m.Launch()).To(Succeed())
		Eventually(m.Running, "20s").Should(BeFalse())
		Expect(m.ExitCode()).NotTo(Equal(0))
		Expect(m.Log()).NotTo(ContainSubstring("goroutine "))
	})
})

// flip changes one bit of a file.
func flip(name string, offset int64) {
	GinkgoHelper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, offset)
	Expect(err).NotTo(HaveOccurred())
	b[0] ^= 1
	_, err = f.WriteAt(b, offset)
	Expect(err).NotTo(HaveOccurred())
}

// fingerprint is the content of every file below dir.
func fingerprint(dir string) map[string]string {
	GinkgoHelper()
	files := map[string]string{}
	Expect(filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	})).To(Succeed())
	return files
}
