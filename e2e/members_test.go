package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

// newcomer makes a member that the test adds to c.
func newcomer(c *cluster.Cluster) *cluster.Member {
	GinkgoHelper()
	m, err := c.Newcomer()
	Expect(err).NotTo(HaveOccurred())
	return m
}

// add adds m as a voter, or as a learner, and returns its id. With --strict-reconfig-check the others have to be connected
// for a while first.
func add(ctx context.Context, cl *client.Client, m *cluster.Member, learner bool) (id uint64) {
	GinkgoHelper()
	adding := cl.MemberAdd
	if learner {
		adding = cl.MemberAddAsLearner
	}
	Eventually(func() error {
		response, err := adding(ctx, []string{m.PeerURL})
		if err == nil {
			id = response.Member.ID
			m.Joins(response.Members)
		}
		if err == nil || !strings.Contains(err.Error(), "Peer URLs already exists") {
			return err
		}
		list, err := cl.MemberList(ctx) // the answer to an earlier attempt was lost
		if err != nil {
			return err
		}
		at := slices.IndexFunc(list.Members, func(one *client.Member) bool { return slices.Contains(one.PeerURLs, m.PeerURL) })
		if at < 0 {
			return fmt.Errorf("no member has the URL %s: %v", m.PeerURL, list.Members)
		}
		id = list.Members[at].ID
		m.Joins(list.Members)
		return nil
	}, "60s", "200ms").Should(Succeed())
	return id
}

// awaitHealth waits until a member finds its cluster healthy or not: each goes by its own connections, and by how long they last.
// It asks for a change that nobody allows.
func awaitHealth(ctx context.Context, c *cluster.Cluster, m *cluster.Member, healthy bool) {
	GinkgoHelper()
	cl := connect(c, m)
	Eventually(func() string {
		_, err := cl.MemberAdd(ctx, []string{m.PeerURL})
		return fmt.Sprint(err)
	}, "60s", "200ms").Should(ContainSubstring(map[bool]string{true: "Peer URLs already exists", false: "unhealthy cluster"}[healthy]))
}

// refusal is what a call is refused with that must not be done, once there is a leader to say so.
func refusal(call func() error) (err error) {
	GinkgoHelper()
	Eventually(func() string {
		err = call()
		return fmt.Sprint(err)
	}, "60s", "200ms").ShouldNot(MatchRegexp("unhealthy cluster|request timed out|leader changed|no leader|code = Unavailable"))
	return err
}

// remove removes a member, once that is allowed.
func remove(ctx context.Context, cl *client.Client, id uint64) {
	GinkgoHelper()
	Eventually(func() error {
		_, err := cl.MemberRemove(ctx, id)
		if err != nil && strings.Contains(err.Error(), "member not found") {
			return nil // the answer to an earlier attempt was lost
		}
		return err
	}, "60s", "200ms").Should(Succeed())
}

func promote(ctx context.Context, cl *client.Client, id uint64) {
	GinkgoHelper()
	Eventually(func() error {
		_, err := cl.MemberPromote(ctx, id)
		if err != nil && strings.Contains(err.Error(), "can only promote a learner member") && !strings.Contains(err.Error(), "in sync") {
			return nil // likewise
		}
		return err
	}, "60s", "200ms").Should(Succeed())
}

// idOf asks a member who it is.
func idOf(ctx context.Context, c *cluster.Cluster, m *cluster.Member) uint64 {
	GinkgoHelper()
	status, err := connect(c, m).Status(ctx, m.ClientURL)
	Expect(err).NotTo(HaveOccurred())
	return status.Header.MemberId
}

// revisionOf asks a member how far it is.
func revisionOf(ctx context.Context, c *cluster.Cluster, m *cluster.Member) int64 {
	GinkgoHelper()
	status, err := connect(c, m).Status(ctx, m.ClientURL)
	Expect(err).NotTo(HaveOccurred())
	return status.Header.Revision
}

// expectRemoved waits until a removed member has ended by itself, with a line that says why.
func expectRemoved(m *cluster.Member) {
	GinkgoHelper()
	Eventually(m.Running, "60s").Should(BeFalse())
	Expect(m.ExitCode()).To(Equal(0))
	Expect(m.Log()).To(ContainSubstring("the member has been permanently removed from the cluster"))
	Expect(m.Log()).NotTo(ContainSubstring(`"level":"error"`))
}

// expectMembers waits until each of some members lists just them, all as voters.
func expectMembers(ctx context.Context, c *cluster.Cluster, members ...*cluster.Member) {
	GinkgoHelper()
	var want []string
	for _, m := range members {
		want = append(want, m.Name+" "+m.PeerURL+" false")
	}
	for _, m := range members {
		cl := connect(c, m)
		Eventually(func() (got []string, err error) {
			list, err := cl.MemberList(ctx, client.WithSerializable())
			if err != nil {
				return nil, err
			}
			for _, one := range list.Members {
				got = append(got, fmt.Sprint(one.Name, " ", strings.Join(one.PeerURLs, ","), " ", one.IsLearner))
			}
			return got, nil
		}, "30s", "100ms").Should(ConsistOf(want), m.Name)
	}
}

// expectSame waits until some members hold the same.
func expectSame(ctx context.Context, c *cluster.Cluster, members ...*cluster.Member) {
	GinkgoHelper()
	expectEqualHashes(ctx, &cluster.Cluster{Members: members})
}

var _ = Describe("the members of a cluster", func() {
	It("grow from one to three to five and shrink to one, under load", func() {
		c := prepare(cluster.Options{Members: 1})
		for range 4 {
			newcomer(c)
		}
		ctx := within(5 * time.Minute)
		Expect(c.Members[0].Start()).To(Succeed())
		cl := connect(c)
		l := startLoad(cl, 4)
		for i, m := range c.Members[1:] {
			add(ctx, cl, m, false)
			Expect(m.Start()).To(Succeed())
			expectMembers(ctx, c, c.Members[:i+2]...)
			l.reached(50)
		}
		left := c.Members
		for len(left) > 1 {
			gone := left[0]
			if len(left)%2 == 0 { // leaders and followers, through themselves and through others
				gone = leaderOf(ctx, c)
			}
			remove(ctx, connect(c, left[len(left)/2]), idOf(ctx, c, gone))
			expectRemoved(gone)
			left = others(&cluster.Cluster{Members: left}, gone)
			expectMembers(ctx, c, left...)
			l.reached(50)
		}
		l.stop()
		l.verify(ctx, connect(c, left[0]))
		Expect(left[0].Kill()).To(Succeed())
		Expect(left[0].Start()).To(Succeed())
		expectMembers(ctx, c, left[0])
		l.verify(ctx, connect(c, left[0]))
	})

	It("are replaced when one is dead, under load", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(3 * time.Minute)
		next := newcomer(c)
		dead := c.Members[1]
		cl := connect(c, c.Members[0], c.Members[2], next)
		id := idOf(ctx, c, dead)
		l := startLoad(cl, 4)
		l.reached(200)
		Expect(dead.Kill()).To(Succeed())
		Expect(os.RemoveAll(dead.Dir)).To(Succeed())
		remove(ctx, cl, id)
		add(ctx, cl, next, false)
		Expect(next.Start()).To(Succeed())
		l.reached(200)
		l.stop()
		live := []*cluster.Member{c.Members[0], c.Members[2], next}
		expectMembers(ctx, c, live...)
		l.verify(ctx, connect(c, next))
		expectSame(ctx, c, live...)
	})

	// etcd#21667: whether it may be added depends on the quorum, not on all being up.
	It("get one more while one of five is down", func() {
		c := start(cluster.Options{Members: 5})
		ctx := within(3 * time.Minute)
		Expect(c.Members[4].Kill()).To(Succeed())
		cl := connect(c, c.Members[:4]...)
		next := newcomer(c)
		add(ctx, cl, next, false)
		Expect(next.Start()).To(Succeed())
		Expect(c.Members[4].Start()).To(Succeed())
		expectMembers(ctx, c, c.Members...)
	})

	It("refuse what could cost the quorum", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(3 * time.Minute)
		cl := connect(c, c.Members[:2]...)
		Expect(c.Members[2].Kill()).To(Succeed())
		awaitHealth(ctx, c, c.Members[0], false)
		_, err := connect(c, c.Members[0]).MemberAdd(ctx, []string{"http://127.0.0.1:1"})
		Expect(err).To(MatchError(ContainSubstring("etcdserver: unhealthy cluster")))
		Expect(c.Members[2].Start()).To(Succeed())
		for _, m := range c.Members[:2] {
			awaitHealth(ctx, c, m, true)
		}
		extra := []*cluster.Member{newcomer(c), newcomer(c), newcomer(c)}
		var ids []uint64
		for _, m := range extra[:2] {
			ids = append(ids, add(ctx, cl, m, false))
		}
		err = refusal(func() error { return second(cl.MemberAdd(ctx, []string{extra[2].PeerURL})) })
		Expect(err).To(MatchError(ContainSubstring("re-configuration failed due to not enough started members")))
		last := idOf(ctx, c, c.Members[2])
		err = refusal(func() error { return second(cl.MemberRemove(ctx, last)) })
		Expect(err).To(MatchError(ContainSubstring("re-configuration failed due to not enough started members")))
		for _, id := range ids {
			remove(ctx, cl, id)
		}
		first := idOf(ctx, c, c.Members[0])
		for _, refused := range []struct {
			wanted string
			call   func() error
		}{
			{"member not found", func() error { return second(cl.MemberRemove(ctx, ids[0])) }},
			{"member not found", func() error { return second(cl.MemberRemove(ctx, 77)) }},
			{"member not found", func() error { return second(cl.MemberPromote(ctx, 77)) }},
			{"member not found", func() error { return second(cl.MemberUpdate(ctx, 77, []string{"http://127.0.0.1:1"})) }},
			{"can only promote a learner member", func() error { return second(cl.MemberPromote(ctx, first)) }},
			{"Peer URLs already exists", func() error { return second(cl.MemberAdd(ctx, []string{c.Members[1].PeerURL})) }},
			{"Peer URLs already exists", func() error { return second(cl.MemberUpdate(ctx, first, []string{c.Members[1].PeerURL})) }},
		} {
			Expect(refusal(refused.call)).To(MatchError(ContainSubstring(refused.wanted)))
		}
		add(ctx, cl, extra[0], true)
		err = refusal(func() error { return second(cl.MemberAddAsLearner(ctx, []string{extra[1].PeerURL})) })
		Expect(err).To(MatchError(ContainSubstring("too many learner members in cluster")))
	})

	It("come to agree through kills while they change, and stay so after a restart", func() { // etcd#20967
		c := start(cluster.Options{Members: 3, Flags: []string{"--max-learners=3", "--strict-reconfig-check=false", "--snapshot-count=50", "--snapshot-catchup-entries=10"}})
		ctx := within(4 * time.Minute)
		l := startLoad(connect(c), 2)
		for i := range 6 {
			victim := c.Members[i%3]
			cl := connect(c, others(c, victim)...)
			Expect(victim.Kill()).To(Succeed())
			spare := newcomer(c)
			c.Members = c.Members[:3]
			id := add(ctx, cl, spare, true)
			if i%2 == 0 {
				remove(ctx, cl, id)
			} else {
				Eventually(func() error {
					return second(cl.MemberUpdate(ctx, id, []string{fmt.Sprint("http://127.0.0.1:", i+1)})) // etcd#21694
				}, "60s", "200ms").Should(Succeed())
			}
			Expect(victim.Start()).To(Succeed())
		}
		l.reached(100)
		l.stop()
		seen := func() []string {
			var lists []string
			for _, m := range c.Members {
				list, err := connect(c, m).MemberList(ctx)
				Expect(err).NotTo(HaveOccurred())
				lists = append(lists, fmt.Sprint(list.Members))
			}
			return lists
		}
		before := seen()
		Expect(distinct(before)).To(Equal(1))
		Expect(strings.Count(before[0], "isLearner:true")).To(Equal(3))
		for _, m := range c.Members {
			Expect(m.Kill()).To(Succeed())
		}
		Expect(c.Start()).To(Succeed())
		Expect(seen()).To(Equal(before))
		expectEqualHashes(ctx, c)
	})
})

func second[T any](_ T, err error) error { return err }

var _ = Describe("a learner", func() {
	It("joins by snapshot under load, serves what a learner may, and is promoted", func() {
		c := start(cluster.Options{Members: 3, Flags: []string{"--snapshot-count=100", "--snapshot-catchup-entries=20"}})
		ctx := within(3 * time.Minute)
		cl := connect(c)
		next := newcomer(c)
		l := startLoad(cl, 4)
		l.reached(1000)
		id := add(ctx, cl, next, true)
		for _, m := range c.Members[:3] { // etcd#15096: through every member
			direct := connect(c, m)
			err := refusal(func() error { return second(direct.MemberPromote(ctx, id)) })
			Expect(err).To(MatchError(ContainSubstring("can only promote a learner member which is in sync with leader")))
		}
		Expect(next.Start()).To(Succeed())
		Eventually(next.Log, "60s").Should(ContainSubstring("applied snapshot"))
		direct := connect(c, next)
		_, err := direct.Get(ctx, "load/", client.WithPrefix(), client.WithSerializable())
		Expect(err).NotTo(HaveOccurred())
		status, err := direct.Status(ctx, next.ClientURL)
		Expect(err).NotTo(HaveOccurred())
		Expect(status.IsLearner).To(BeTrue())
		_, err = direct.MemberList(ctx, client.WithSerializable())
		Expect(err).To(MatchError(ContainSubstring("rpc not supported for learner")))
		lead := func() error { return second(connect(c, leaderOf(ctx, c)).MoveLeader(ctx, id)) } // another may lead than a moment ago
		Eventually(func() error {
			err := lead()
			if err == nil {
				StopTrying("a learner was made the leader").Now()
			}
			return err
		}, "60s", "200ms").Should(MatchError(ContainSubstring("bad leader transferee")))

		leader := leaderOf(ctx, c)
		promote(ctx, connect(c, others(c, leader)[0]), id)
		expectMembers(ctx, c, c.Members...)
		l.reached(100)
		Eventually(lead, "60s", "200ms").Should(Succeed())
		Eventually(func() *cluster.Member { return leaderOf(ctx, c) }, "20s").Should(Equal(next))
		l.reached(100)
		l.stop()
		l.verify(ctx, direct)
		expectEqualHashes(ctx, c)
	})

	// etcd#21178, etcd#20269: the leader must not take the progress of the one that was for that of the one that is.
	It("takes the place of a voter whose data are gone, under its name and URL", func() {
		c := start(cluster.Options{Members: 3, Flags: []string{"--snapshot-count=100", "--snapshot-catchup-entries=20"}})
		ctx := within(3 * time.Minute)
		wiped := others(c, leaderOf(ctx, c))[0]
		rest := others(c, wiped)
		id := idOf(ctx, c, wiped)
		l := startLoad(connect(c, rest...), 4)
		l.reached(500)
		Expect(wiped.Kill()).To(Succeed())
		Expect(os.RemoveAll(wiped.Dir)).To(Succeed())
		cl := connect(c, rest...)
		remove(ctx, cl, id)
		again := add(ctx, cl, wiped, true)
		Expect(again).NotTo(Equal(id))
		Expect(wiped.Start()).To(Succeed())
		promote(ctx, cl, again)
		l.reached(200)
		l.stop()
		expectMembers(ctx, c, c.Members...)
		l.verify(ctx, connect(c, wiped))
		expectEqualHashes(ctx, c)
	})

	It("gets its vote by itself where that is wanted", func() {
		c := start(cluster.Options{Members: 1, Flags: []string{"--auto-promote-learners"}})
		ctx := within(2 * time.Minute)
		next := newcomer(c)
		add(ctx, connect(c, c.Members[0]), next, true)
		Expect(next.Start()).To(Succeed())
		Eventually(c.Members[0].Log, "60s").Should(ContainSubstring("promoted a learner that has caught up"))
		expectMembers(ctx, c, c.Members...)
		through := connect(c, next)
		Eventually(func() error { return second(through.Put(ctx, "a", "1")) }, "60s").Should(Succeed())
	})
})

var _ = Describe("a removed member", func() {
	It("answers the client that removed it, ends, and does not come back", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(2 * time.Minute)
		for _, pick := range []string{"follower", "leader"} {
			gone := leaderOf(ctx, c)
			if pick == "follower" {
				gone = others(c, gone)[0]
			}
			id := idOf(ctx, c, gone)
			remove(ctx, connect(c, gone), id)
			expectRemoved(gone)
			c.Members = others(c, gone)
			expectMembers(ctx, c, c.Members...)
			cl := connect(c)
			Eventually(func() error { return second(cl.Put(ctx, pick, "1")) }, "60s").Should(Succeed()) // the rest may elect first

			Expect(gone.Launch()).To(Succeed())
			DeferCleanup(gone.Kill)
			expectRemoved(gone)
			Expect(second(cl.Put(ctx, pick, "2"))).To(Succeed())
		}
	})

	It("ends when it hears of it only later", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(2 * time.Minute)
		gone := others(c, leaderOf(ctx, c))[0]
		id := idOf(ctx, c, gone)
		Expect(gone.Kill()).To(Succeed())
		remove(ctx, connect(c, others(c, gone)...), id)
		Expect(gone.Launch()).To(Succeed())
		expectRemoved(gone)
	})
})
