package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

var _ = Describe("bad input", func() {
	It("is refused by request, and the connection goes on", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		ctx := within(time.Minute)
		for _, r := range []struct {
			op     client.Op
			wanted string
		}{
			{client.OpPut("big", strings.Repeat("x", 1_600_000)), "request is too large"},
			{client.OpPut("huge", strings.Repeat("x", 3_000_000)), "larger than max"},
			{client.OpPut("", "v"), "key is not provided"},
			{client.OpGet("k", client.WithRev(1_000_000)), "required revision is a future revision"},
			{client.OpPut("k", "v", client.WithLease(7)), "requested lease not found"},
			{client.OpPut("none", "", client.WithIgnoreValue()), "key not found"},
		} {
			_, err := cl.Do(ctx, r.op)
			Expect(err).To(MatchError(ContainSubstring(r.wanted)))
		}
		_, err := cl.Put(ctx, "k", strings.Repeat("x", 1_500_000))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Members[0].Log()).NotTo(ContainSubstring(`"level":"error"`))
	})

	DescribeTable("is refused by flag, with a reason", func(code int, wanted string, flags ...string) {
		quoin, err := cluster.Build("quoin.dev/server/cmd/quoin")
		Expect(err).NotTo(HaveOccurred())
		dir := filepath.Join(GinkgoT().TempDir(), "data")
		cmd := exec.Command(quoin, append([]string{"--data-dir=" + dir}, flags...)...)
		out, err := cmd.CombinedOutput()
		Expect(err).To(HaveOccurred())
		Expect(cmd.ProcessState.ExitCode()).To(Equal(code))
		Expect(string(out)).To(ContainSubstring(wanted))
		Expect(dir).NotTo(BeADirectory(), "nothing was written")
	},
		Entry("unknown", 2, "flag provided but not defined: -no-such-flag", "--no-such-flag"),
		Entry("not a number", 2, "invalid value", "--snapshot-count=many"),
		Entry("contradictory timing", 1, "should be at least as 5 times as", "--election-timeout=100"),
		Entry("listening without advertising", 1, "--advertise-client-urls is required", "--listen-client-urls=http://127.0.0.1:0"),
		Entry("a cluster without this member", 1, "initial-cluster", "--name=a", "--initial-cluster=b=http://127.0.0.1:1",
			"--initial-advertise-peer-urls=http://127.0.0.1:1"),
		Entry("certificates that never hold", 1, "self-signed-cert-validity", "--auto-tls", "--self-signed-cert-validity=0"),
	)
})

var _ = Describe("a full disk", func() {
	// A file system of its own is the only honest way to fill a disk.
	It("ends the member before it acknowledges what is not on disk", func() {
		c := prepare(cluster.Options{Members: 1})
		m := c.Members[0]
		Expect(os.MkdirAll(m.Dir, 0o700)).To(Succeed())
		if err := unix.Mount("tmpfs", m.Dir, "tmpfs", 0, "size=220m,mode=700"); err != nil {
			Skip("needs the right to mount a small file system: " + err.Error())
		}
		DeferCleanup(func() {
			_ = m.Kill()
			Expect(unix.Unmount(m.Dir, 0)).To(Succeed())
		})
		Expect(c.Start()).To(Succeed())
		cl := connect(c)
		ctx := within(2 * time.Minute)
		acknowledged := 0
		for i := 0; m.Running(); i++ {
			Expect(i).To(BeNumerically("<", 1000), "the disk never filled up")
			if _, err := cl.Put(within(10*time.Second), "fill", strings.Repeat("x", 1_000_000)); err == nil {
				acknowledged++
			}
		}
		Expect(m.ExitCode()).To(Equal(1))
		Expect(m.Log()).To(ContainSubstring("no space left on device"))
		Expect(acknowledged).To(BeNumerically(">", 10))

		Expect(unix.Mount("tmpfs", m.Dir, "tmpfs", unix.MS_REMOUNT, "size=600m")).To(Succeed())
		Expect(m.Start()).To(Succeed())
		response, err := cl.Get(ctx, "fill")
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Kvs[0].Version).To(BeNumerically(">=", acknowledged))
	})
})
