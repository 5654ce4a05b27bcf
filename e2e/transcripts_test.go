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
		fourth, err := c.Newcomer()
		Expect(err).NotTo(HaveOccurred())
		guest := &transcript.Guest{
			Name: fourth.Name, Client: address(fourth.ClientURL), Peer: address(fourth.PeerURL), Stop: fourth.Kill,
			Start: func(members []*client.Member) error {
				fourth.Joins(members)
				return fourth.Start()
			},
		}
		Expect(replayCluster(transcript.Cluster, c, guest)).To(BeEmpty())
		status := func(m *cluster.Member) *client.StatusResponse {
			resp, err := connect(c, m).Status(within(time.Minute), m.ClientURL)
			Expect(err).NotTo(HaveOccurred())
			return resp
		}
		By("waiting for the end of the downgrade, then for the end of the leader")
		founders := c.Members[:3]
		for _, m := range founders {
			Eventually(func() string { return status(m).StorageVersion }).WithTimeout(time.Minute).Should(Equal("3.7.0"))
		}
		for _, m := range founders[1:] {
			Expect(m.Kill()).To(Succeed())
		}
		Eventually(func() uint64 { return status(c.Members[0]).Leader }).WithTimeout(30 * time.Second).Should(BeZero())
		Expect(replayCluster(transcript.NoQuorum, c, nil)).To(BeEmpty())
	})
	It("answers as recorded: a copy in another cluster", func() {
		from, to := start(cluster.Options{Members: 1}), start(cluster.Options{Members: 1})
		quoinctl, err := cluster.Build("quoin.dev/ctl/cmd/quoinctl")
		Expect(err).NotTo(HaveOccurred())
		differences, err := transcript.ReplayMirror(within(3*time.Minute), quoinctl, address(from.Members[0].ClientURL), address(to.Members[0].ClientURL))
		Expect(err).NotTo(HaveOccurred())
		Expect(differences).To(BeEmpty())
	})
	It("answers as recorded: no space", func() {
		c := start(cluster.Options{Members: 1, Flags: []string{transcript.NoSpaceFlag}})
		Expect(replayCluster(transcript.NoSpace, c, nil)).To(BeEmpty())
	})
	It("answers as recorded on a directory that etcd wrote", func() {
		replay(func(dir string) { unpack("testdata/single37.tar.gz", dir) }, transcript.KVExtra)
	})
})

// address is the host and port of a URL.
func address(url string) string { return strings.TrimPrefix(url, "http://") }

// replayCluster runs a recorded session of etcdctl with quoinctl against all members but the guest.
func replayCluster(file string, c *cluster.Cluster, guest *transcript.Guest) []transcript.Difference {
	GinkgoHelper()
	quoinctl, err := cluster.Build("quoin.dev/ctl/cmd/quoinctl")
	Expect(err).NotTo(HaveOccurred())
	var endpoints []string
	for _, m := range c.Members[:min(3, len(c.Members))] {
		endpoints = append(endpoints, address(m.ClientURL))
	}
	differences, err := transcript.ReplayCluster(within(8*time.Minute), file, quoinctl, endpoints, guest)
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
