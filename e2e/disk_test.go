package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"quoin.dev/quoin/e2e/cluster"
)

// faultyDisk is a member whose write-ahead log is on a disk that does what disk says.
const faultyDisk = "quoin.dev/quoin/e2e/faultydisk"

// disk tells what is wrong with the disk of a member from now on: "stall", "fail" or nothing.
func disk(m *cluster.Member, wrong string) {
	GinkgoHelper()
	Expect(os.WriteFile(m.Dir+".disk", []byte(wrong), 0o600)).To(Succeed())
}

// serving asks grpc.health.v1 of a member.
func serving(m *cluster.Member) func() (bool, error) {
	GinkgoHelper()
	conn, err := grpc.NewClient("passthrough:///"+m.ClientURL[len("http://"):], grpc.WithTransportCredentials(insecure.NewCredentials()))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(conn.Close)
	return func() (bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		return r.GetStatus() == healthpb.HealthCheckResponse_SERVING, err
	}
}

// complaints are what is wrong, as the status of a member says.
func complaints(c *cluster.Cluster, m *cluster.Member) func() ([]string, error) {
	GinkgoHelper()
	cl := connect(c, m)
	return func() ([]string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s, err := cl.Status(ctx, m.ClientURL)
		if err != nil {
			return nil, err
		}
		return s.Errors, nil
	}
}

const stalledDisk = "the disk of this member has not answered"

// etcd#13527: heartbeats need no disk, so a leader whose disk is stuck looked like one for as long as that took.
var _ = Describe("a disk", func() {
	It("that is stuck costs a leader its place, and nothing is lost", func() {
		c := start(cluster.Options{Members: 3, Program: faultyDisk})
		ctx := within(2 * time.Minute)
		stuck := leaderOf(ctx, c)
		ready, wrong := serving(stuck), complaints(c, stuck)
		l := startLoad(connect(c, others(c, stuck)...), 4)
		l.reached(50)
		disk(stuck, "stall")
		Eventually(ready, "20s").Should(BeFalse())
		Eventually(wrong, "20s").Should(ContainElement(ContainSubstring(stalledDisk)))
		Eventually(func() *cluster.Member { return leaderOf(ctx, c) }, "20s").ShouldNot(Equal(stuck))
		l.reached(200)
		Consistently(ready, "500ms").Should(BeFalse(), "for as long as it is stuck")

		disk(stuck, "")
		Eventually(ready, "20s").Should(BeTrue())
		Eventually(wrong, "20s").Should(BeEmpty())
		l.reached(50)
		l.stop()
		l.verify(ctx, connect(c, stuck))
		expectEqualHashes(ctx, c)
	})

	It("that is stuck makes a member by itself wait, and say so", func() {
		c := start(cluster.Options{Members: 1, Program: faultyDisk})
		m := c.Members[0]
		ready, wrong := serving(m), complaints(c, m)
		Expect(ready()).To(BeTrue())
		l := startLoad(connect(c), 2)
		l.reached(20)
		disk(m, "stall")
		Eventually(ready, "20s").Should(BeFalse())
		Eventually(wrong, "20s").Should(ContainElement(ContainSubstring(stalledDisk)))
		before := l.written.Load()
		Consistently(l.written.Load, "300ms").Should(Equal(before), "what is not on disk is not acknowledged")
		disk(m, "")
		Eventually(ready, "20s").Should(BeTrue())
		l.reached(20)
		l.stop()
		l.verify(within(time.Minute), connect(c))
	})

	It("that fails ends the member, and what it acknowledged is there", func() {
		c := start(cluster.Options{Members: 1, Program: faultyDisk})
		m := c.Members[0]
		l := startLoad(connect(c), 4)
		l.reached(100)
		disk(m, "fail")
		Eventually(m.Running, "20s").Should(BeFalse())
		l.stop()
		Expect(m.ExitCode()).To(Equal(1))
		Expect(m.Log()).To(And(ContainSubstring("sync the write-ahead log"), ContainSubstring("input/output error")))
		disk(m, "")
		Expect(m.Start()).To(Succeed())
		l.verify(within(time.Minute), connect(c))
	})
})

// etcd#22214: the log goes to a pipe that nobody reads any more.
var _ = Describe("a log that nobody reads", func() {
	It("stalls nothing", func() {
		c := prepare(cluster.Options{Members: 1, Flags: []string{"--log-level=debug"}})
		m := c.Members[0]
		reader, writer, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(errors.Join(reader.Close(), writer.Close())).To(Succeed()) })
		// The pipe is full before the member says anything.
		Expect(writer.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))).To(Succeed())
		for err = nil; err == nil; {
			_, err = writer.Write(make([]byte, 4096))
		}
		Expect(errors.Is(err, os.ErrDeadlineExceeded)).To(BeTrue(), "%v", err)
		m.Output = writer
		Expect(m.Launch()).To(Succeed())
		cl, ctx := connect(c), within(2*time.Minute)
		Eventually(func() error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			_, err := cl.Get(ctx, "k")
			return err
		}, "30s").Should(Succeed())
		for i := range 200 {
			_, err := cl.Put(ctx, "k", fmt.Sprint(i))
			Expect(err).NotTo(HaveOccurred())
			_, err = cl.Get(ctx, "k")
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(serving(m)()).To(BeTrue())
		Expect(m.Kill()).To(Succeed())
	})
})
