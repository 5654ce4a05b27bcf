package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

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

	It("has a database and no log", func() {
		m := used()
		Expect(os.RemoveAll(filepath.Join(m.Dir, "member", "wal"))).To(Succeed())
		refused(m, "no write-ahead log")
	})

	It("was written by a newer version", func() {
		m := used()
		b, err := backend.Open(backend.Options{Path: filepath.Join(m.Dir, "member", "snap", "db")})
		Expect(err).NotTo(HaveOccurred())
		schema.PutStorageVersion(b, "3.8.0")
		b.Commit(backend.Applied{})
		Expect(b.Close()).To(Succeed())
		refused(m, "newer version")
	})

	It("belongs to somebody else", func() {
		if os.Geteuid() != 0 {
			Skip("needs root, to start a member as another user")
		}
		m := used()
		Expect(os.Chmod(filepath.Dir(m.Dir), 0o755)).To(Succeed())
		m.UserID = 65534 // nobody
		refused(m, "permission denied")
	})

	It("belongs to another cluster", func() {
		c := start(cluster.Options{Members: 3})
		for _, m := range c.Members {
			Expect(m.Stop()).To(Succeed())
		}
		for _, m := range c.Members[1:] { // at the same addresses, but founders of something new
			Expect(os.RemoveAll(m.Dir)).To(Succeed())
			m.Token = "another"
			Expect(m.Launch()).To(Succeed())
		}
		for _, m := range c.Members[1:] {
			Expect(m.WaitReady(time.Minute)).To(Succeed())
		}
		refused(c.Members[0], "belongs to cluster")
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
