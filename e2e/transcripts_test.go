package e2e

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
	"quoin.dev/quoin/e2e/transcript"
)

var _ = Describe("the command line", func() {
	// replay runs recorded sessions of etcdctl with quoinctl, all against one member that starts on what prepare left.
	replay := func(prepare func(dir string), files ...string) {
		GinkgoHelper()
		quoinctl, err := cluster.Build("quoin.dev/ctl/cmd/quoinctl")
		Expect(err).NotTo(HaveOccurred())
		c := prepareCluster(prepare)
		for _, file := range files {
			differences, err := transcript.Replay(within(2*time.Minute), file, quoinctl, strings.TrimPrefix(c.Members[0].ClientURL, "http://"))
			Expect(err).NotTo(HaveOccurred())
			Expect(differences).To(BeEmpty(), file)
		}
	}

	It("answers as recorded: keys, transactions, watches, leases, locks and elections", func() {
		replay(func(string) {}, transcript.KV, transcript.Txn, transcript.Watch, transcript.Lease, transcript.LockElect)
	})
	It("answers as recorded: endpoints, members and everything around", func() {
		replay(func(string) {}, transcript.Misc)
	})
	It("answers as recorded on a directory that etcd wrote", func() {
		replay(func(dir string) { unpack("testdata/single37.tar.gz", dir) }, transcript.KVExtra)
	})
})

// prepareCluster starts a cluster of one whose data directory was prepared.
func prepareCluster(prepareDir func(dir string)) *cluster.Cluster {
	GinkgoHelper()
	c := prepare(cluster.Options{Members: 1})
	prepareDir(c.Members[0].Dir)
	Expect(c.Start()).To(Succeed())
	return c
}

// unpack extracts an archive whose files lie below one top folder into dir.
func unpack(archive, dir string) {
	GinkgoHelper()
	f, err := os.Open(archive)
	Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	z, err := gzip.NewReader(f)
	Expect(err).NotTo(HaveOccurred())
	for files := tar.NewReader(z); ; {
		header, err := files.Next()
		if err == io.EOF {
			return
		}
		Expect(err).NotTo(HaveOccurred())
		_, below, ok := strings.Cut(header.Name, "member")
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		name := filepath.Join(dir, "member", filepath.Clean(below))
		Expect(os.MkdirAll(filepath.Dir(name), 0o700)).To(Succeed())
		data, err := io.ReadAll(files)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(name, data, 0o600)).To(Succeed())
	}
}
