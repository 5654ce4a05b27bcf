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

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
	"quoin.dev/quoin/e2e/transcript"
)

var _ = Describe("the command line", func() {
	// replay runs recorded sessions of etcdctl with quoinctl, all against one member that starts on what prepare left.
	replay := func(prepare func(dir string), files ...string) {
		GinkgoHelper()
		quoinctl, err := cluster.Build("quoin.dev/ctl/cmd/quoinctl")
		Expect(err).NotTo(HaveOccurred())
		c := prepareCluster(prepare, "--bcrypt-cost=4")
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
	It("answers as recorded: users, roles and permissions, and what they refuse", func() {
		replay(func(string) {}, transcript.Auth)
	})
	It("answers as recorded: a cluster, its members and its leader, its version, and no quorum", func() {
		// The leader is part of the records, so that it must not change because the machine is busy.
		c := start(cluster.Options{Members: 3, Flags: []string{"--heartbeat-interval=300", "--election-timeout=3000"}})
		Expect(replayCluster(transcript.Cluster, c)).To(BeEmpty())
		status := func(m *cluster.Member) *client.StatusResponse {
			resp, err := connect(c, m).Status(within(5*time.Second), m.ClientURL)
			Expect(err).NotTo(HaveOccurred())
			return resp
		}
		By("waiting for the end of the downgrade, then for the end of the leader")
		for _, m := range c.Members {
			Eventually(func() string { return status(m).StorageVersion }).WithTimeout(time.Minute).Should(Equal("3.7.0"))
		}
		for _, m := range c.Members[1:] {
			Expect(m.Kill()).To(Succeed())
		}
		Eventually(func() uint64 { return status(c.Members[0]).Leader }).WithTimeout(30 * time.Second).Should(BeZero())
		Expect(replayCluster(transcript.NoQuorum, c)).To(BeEmpty())
	})
	It("answers as recorded: no space", func() {
		c := start(cluster.Options{Members: 1, Flags: []string{transcript.NoSpaceFlag}})
		Expect(replayCluster(transcript.NoSpace, c)).To(BeEmpty())
	})
	It("answers as recorded on a directory that etcd wrote", func() {
		replay(func(dir string) { unpack("testdata/single37.tar.gz", dir) }, transcript.KVExtra)
	})
})

// replayCluster runs a recorded session of etcdctl with quoinctl against all members.
func replayCluster(file string, c *cluster.Cluster) []transcript.Difference {
	GinkgoHelper()
	quoinctl, err := cluster.Build("quoin.dev/ctl/cmd/quoinctl")
	Expect(err).NotTo(HaveOccurred())
	var endpoints []string
	for _, ep := range c.Endpoints() {
		endpoints = append(endpoints, strings.TrimPrefix(ep, "http://"))
	}
	differences, err := transcript.ReplayCluster(within(5*time.Minute), file, quoinctl, endpoints)
	Expect(err).NotTo(HaveOccurred())
	return differences
}

// prepareCluster starts a cluster of one whose data directory was prepared.
func prepareCluster(prepareDir func(dir string), flags ...string) *cluster.Cluster {
	GinkgoHelper()
	c := prepare(cluster.Options{Members: 1, Flags: flags})
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
