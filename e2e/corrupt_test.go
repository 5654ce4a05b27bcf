package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

// damage changes a text in the database of a member, in place, as a disk does that forgets. It waits until the last thing that was
// written is in the file, and nothing is being written: such a page would come out right.
func damage(m *cluster.Member, last, from, to string) {
	GinkgoHelper()
	path := filepath.Join(m.Dir, "member", "snap", "db")
	var data []byte
	Eventually(func() bool {
		before := data
		var err error
		data, err = os.ReadFile(path)
		return err == nil && bytes.Equal(data, before) && bytes.Contains(data, []byte(from)) && bytes.Contains(data, []byte(last))
	}, "30s", "100ms").Should(BeTrue())
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], []byte(from))
		if i < 0 {
			return
		}
		at += i
		_, err := f.WriteAt([]byte(to), int64(at))
		Expect(err).NotTo(HaveOccurred())
	}
}

var _ = Describe("a member of three whose database is damaged", func() {
	const right, wrong = "the-right-value-of-", "the-wrong-value-of-"
	fill := func(ctx context.Context, c *cluster.Cluster) (revision int64) {
		GinkgoHelper()
		cl := connect(c)
		for i := range 50 {
			r, err := cl.Put(ctx, fmt.Sprint("k", i), right+fmt.Sprint(i))
			Expect(err).NotTo(HaveOccurred())
			revision = r.Header.Revision
		}
		return revision
	}

	It("at rest does not start to serve", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(2 * time.Minute)
		fill(ctx, c)
		m := others(c, leaderOf(ctx, c))[0]
		Expect(m.Stop()).To(Succeed())
		Expect(m.Start()).To(Succeed())
		Eventually(m.Log, "20s").Should(ContainSubstring("this member holds what the others hold"))
		Expect(m.Stop()).To(Succeed())
		damage(m, right+"49", right+"7", wrong+"7")
		Expect(m.Launch()).To(Succeed())
		Eventually(m.Running, "30s").Should(BeFalse())
		Expect(m.ExitCode()).To(Equal(1))
		Expect(m.Log()).To(And(ContainSubstring("found data inconsistency with peers"), ContainSubstring("remove the member and add it again")))
		Expect(m.Log()).NotTo(ContainSubstring("ready to serve client requests"))
		_, err := connect(c, others(c, m)...).Put(ctx, "still", "there")
		Expect(err).NotTo(HaveOccurred(), "the others go on")
	})

	DescribeTable("while it runs leaves at its next compaction, before it shows another key", func(leads bool) {
		// A member that has not compacted yet when it is asked is soon asked again.
		c := start(cluster.Options{Members: 3, Flags: []string{"--compact-hash-check-time=1s"}})
		ctx := within(3 * time.Minute)
		revision := fill(ctx, c)
		m := leaderOf(ctx, c)
		if !leads {
			m = others(c, m)[0]
		}
		cl := connect(c, m)
		id := idOf(ctx, c, m)
		events := cl.Watch(ctx, "k", client.WithPrefix(), client.WithRev(revision+1))
		damage(m, right+"49", right+"7", wrong+"7")
		healthy := connect(c, others(c, m)...)
		_, err := healthy.Compact(ctx, revision)
		Expect(err).NotTo(HaveOccurred())

		Eventually(complaints(c, m), "60s").Should(ContainElement(ContainSubstring("holds something else than the others")))
		for _, options := range [][]client.OpOption{nil, {client.WithSerializable()}} {
			short, cancel := context.WithTimeout(ctx, time.Second)
			_, err = cl.Get(short, "k7", options...)
			cancel()
			Expect(err).To(HaveOccurred())
		}
		Eventually(serving(m), "20s").Should(BeFalse())
		Expect(events).NotTo(Receive(), "nothing was written")
		Eventually(func() ([]*pb.AlarmMember, error) {
			r, err := pb.NewMaintenanceClient(healthy.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{})
			return r.GetAlarms(), err
		}, "30s").Should(And(
			ContainElement(HaveField("MemberID", id)),
			// Nobody is named while one of the others has yet to answer.
			HaveEach(And(HaveField("Alarm", pb.AlarmType_CORRUPT), HaveField("MemberID", BeElementOf(id, uint64(0))))),
		))
		r, err := healthy.Get(ctx, "k7")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(r.Kvs[0].Value)).To(Equal(right + "7"))
		Eventually(func() *cluster.Member { return leaderOf(ctx, c) }, "20s").ShouldNot(Equal(m))
	},
		Entry("as the leader", true),
		Entry("as a follower", false),
	)
})
