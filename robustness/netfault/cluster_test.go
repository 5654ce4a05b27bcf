package netfault_test

import (
	"context"
	"os"
	"testing"
	"time"

	"quoin.dev/client"

	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/netfault"
	"quoin.dev/quoin/robustness/node/namespaces"
)

// startCluster makes three members of quoin, and a network that knows them.
func startCluster(t *testing.T) (context.Context, *cluster.Cluster, *netfault.Net) {
	t.Helper()
	if err := namespaces.Check(); err != nil {
		t.Skip(err)
	}
	host, err := namespaces.New()
	check(t, err)
	t.Cleanup(func() { check(t, host.Close()) })
	quoin, err := cluster.Quoin(t.Context(), cluster.Build{}) // which may take longer than the test
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	c, err := cluster.New(ctx, cluster.Options{Host: host, Dir: t.TempDir(), Programs: []cluster.Program{quoin, quoin, quoin}})
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	n := netfault.New()
	t.Cleanup(func() { check(t, n.Close()) })
	for _, m := range c.Members() {
		m.Node().OnStart(func(netns *os.File) error { return n.Attach(m.Name, m.Node().Addr(), netns) })
	}
	check(t, c.Start(ctx))
	return ctx, c, n
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put sends one write to one member.
func put(ctx context.Context, t *testing.T, c *cluster.Cluster, m *cluster.Member, value string) error {
	t.Helper()
	one, err := c.Client(cluster.Access{}, m)
	check(t, err)
	defer one.Close()
	_, err = one.Put(ctx, "key", value)
	return err
}

func names(c *cluster.Cluster) []string {
	var all []string
	for _, m := range c.Members() {
		all = append(all, m.Name)
	}
	return all
}

// A leader that is cut off can do nothing, the others go on, and it follows them again when it hears them.
func TestALeaderThatIsIsolatedIsReplaced(t *testing.T) {
	ctx, c, n := startCluster(t)
	old, err := c.Leader(ctx)
	check(t, err)
	check(t, n.Set(netfault.Condition{Drop: true}, netfault.Isolate(old.Name, names(c)...)...))
	next := awaitOther(ctx, t, c, old)
	putAtLast(ctx, t, c, next, "without you") // there may be another election first
	brief, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	if err := put(brief, t, c, old, "alone"); err == nil {
		t.Error("a member without a quorum has acknowledged a write")
	}
	for _, l := range netfault.Both(old.Name, next.Name) {
		if count, err := n.Bit(l.From, l.To); err != nil || count.None() {
			t.Errorf("%s: bit %s, %v", l, count, err)
		}
	}
	check(t, n.ClearAll())
	// What the old leader takes before it has heard of the new one is lost, so that it may need more than one attempt.
	putAtLast(ctx, t, c, old, "together")
}

// putAtLast repeats a write until it is acknowledged.
func putAtLast(ctx context.Context, t *testing.T, c *cluster.Cluster, m *cluster.Member, value string) {
	t.Helper()
	for err := put(ctx, t, c, m, value); err != nil; err = put(ctx, t, c, m, value) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// awaitOther waits until another member says that it leads.
func awaitOther(ctx context.Context, t *testing.T, c *cluster.Cluster, old *cluster.Member) *cluster.Member {
	t.Helper()
	for {
		for _, m := range c.Members() {
			if m != old && leads(ctx, t, c, m) {
				return m
			}
		}
		select {
		case <-ctx.Done():
			t.Fatal("no other member leads")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func leads(ctx context.Context, t *testing.T, c *cluster.Cluster, m *cluster.Member) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	one, err := c.Client(cluster.Access{}, m)
	check(t, err)
	defer one.Close()
	status, err := one.Status(ctx, m.ClientURL)
	return err == nil && status.Leader == status.Header.MemberId
}

// A write takes as long as its way to a quorum and back.
func TestACommitWaitsForALateNetwork(t *testing.T) {
	const delay = 100 * time.Millisecond
	ctx, c, n := startCluster(t)
	leader, err := c.Leader(ctx)
	check(t, err)
	all := names(c)
	check(t, n.Set(netfault.Condition{Delay: delay}, netfault.OneWay(all, all)...))
	one, err := c.Client(cluster.Access{}, leader)
	check(t, err)
	defer one.Close()
	start := time.Now()
	for _, err = one.Put(ctx, "key", "late"); err != nil && ctx.Err() == nil; _, err = one.Put(ctx, "key", "late") {
		start = time.Now() // there was an election
	}
	check(t, err)
	if took := time.Since(start); took < 2*delay {
		t.Errorf("a write took %s with a delay of %s each way", took, delay)
	}
	check(t, n.ClearAll())
	_, err = one.Get(ctx, "key", client.WithSerializable())
	check(t, err)
}
