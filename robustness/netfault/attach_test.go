package netfault

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
)

// A container has another namespace after each start.
func TestConditionsHoldInANewNamespace(t *testing.T) {
	n, nodes, bridge := testNetOn(t, "a", "b")
	a, b := nodes[0], nodes[1]
	conditions := []Condition{{Drop: true}, {Delay: 50 * time.Millisecond}}
	for _, c := range conditions {
		must(t, n.Set(c, Link{"a", "b"}))
		before := awaitBit(t, n, a, b)
		bridge.unplug(t)
		b.netns = bridge.plug(t, b.addr)
		must(t, n.Attach("b", b.addr, b.netns))
		if got := bit(t, n, a, b); got.Packets < before.Packets {
			t.Errorf("%s: bit %s, %s before the restart", c, got, before)
		}
		b.listen(t)
		start := time.Now()
		timeout := patience
		if c.Drop {
			timeout = patience / 10
		}
		conn, err := a.dial(b, timeout)
		switch took := time.Since(start); {
		case c.Drop && !isTimeout(err):
			t.Errorf("%s: connected after the restart, %v", c, err)
		case !c.Drop && (err != nil || took < c.Delay):
			t.Errorf("%s: connected in %s after the restart, %v", c, took, err)
		}
		if err == nil {
			must(t, conn.Close())
		}
		if got := bit(t, n, a, b); got.Packets <= before.Packets {
			t.Errorf("%s: bit %s, %s before the restart", c, got, before)
		}
	}
}

// awaitBit dials until a condition has bitten.
func awaitBit(t *testing.T, n *Net, from, to *testNode) Count {
	t.Helper()
	for start := time.Now(); time.Since(start) < patience; {
		if conn, err := from.dial(to, briefly); err == nil {
			must(t, conn.Close())
		}
		if got := bit(t, n, from, to); !got.None() {
			return got
		}
	}
	t.Fatalf("%s to %s: did not bite", from.name, to.name)
	return Count{}
}

// A process that starts again in its namespace finds the conditions there: they are not taken away for a moment, and what waits is
// not lost.
func TestANamespaceThatStaysKeepsItsConditions(t *testing.T) {
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	must(t, n.Set(Condition{Delay: time.Second}, Link{"a", "b"}))
	queue := n.machines["b"].queue
	again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", b.netns.Fd()))
	must(t, err)
	must(t, n.Attach("b", b.addr, again))
	must(t, again.Close())
	if n.machines["b"].queue != queue {
		t.Error("the queue is another one")
	}
	// The same namespace under another name or address is another machine.
	must(t, n.Outside("b", b.addr))
	if rules := rulesOf(t, b); rules != 0 {
		t.Errorf("%d rules where no node is", rules)
	}
	must(t, n.Attach("b", b.addr, b.netns))
	if rules := rulesOf(t, b); rules != 1 || rulesOf(t, a) != 0 {
		t.Errorf("%d rules where packets arrive, %d where they leave", rules, rulesOf(t, a))
	}
}

// A condition may be there before the node is.
func TestConditionsWaitForTheirNode(t *testing.T) {
	n, nodes, bridge := testNetOn(t, "a")
	a := nodes[0]
	b := &testNode{name: "b", addr: netip.MustParseAddr("10.77.0.9")}
	must(t, n.Outside("b", b.addr))
	must(t, n.Set(Condition{Drop: true}, Both("a", "b")...))
	b.netns = bridge.plug(t, b.addr)
	must(t, n.Attach("b", b.addr, b.netns))
	listener := b.listen(t)
	if _, err := a.dial(b, briefly); !isTimeout(err) {
		t.Errorf("connected: %v", err)
	}
	if rules := rulesOf(t, a); rules != 1 {
		t.Errorf("%d rules where packets leave, and where they come from", rules)
	}
	must(t, n.ClearAll())
	_, _ = connect(t, a, b, listener)
}

func TestNothingIsLeft(t *testing.T) {
	n, nodes := testNet(t, "a", "b")
	must(t, n.Set(Condition{Delay: time.Second, LossPercent: 1}, Both("a", "b")...))
	for _, node := range nodes {
		if rulesOf(t, node) != 2 || queuesOf(t, node) != 1 {
			t.Errorf("%s has %d rules and %d queues", node.name, rulesOf(t, node), queuesOf(t, node))
		}
	}
	must(t, n.Close())
	for _, node := range nodes {
		tables, err := tablesOf(node)
		if err != nil || len(tables) > 0 || queuesOf(t, node) > 0 {
			t.Errorf("%s has %d tables and %d queues, %v", node.name, len(tables), queuesOf(t, node), err)
		}
	}
	_, _ = connect(t, nodes[0], nodes[1], nodes[1].listen(t))
}

func TestWhatCanNotBeIsRefused(t *testing.T) {
	n, nodes := testNet(t, "a", "b")
	must(t, n.Outside("x", netip.MustParseAddr("10.77.0.100")))
	must(t, n.Outside("y", netip.MustParseAddr("10.77.0.101")))
	drop := Condition{Drop: true}
	for l, want := range map[Link]string{{"a", "a"}: "is no link", {"a", "z"}: "not known", {"z", "a"}: "not known", {"x", "y"}: "neither end"} {
		if err := n.Set(drop, Link{"a", "b"}, l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", l, err)
		}
	}
	if _, err := n.Bit("a", "b"); err == nil {
		t.Error("a refused change has been made in part")
	}
	if rules := rulesOf(t, nodes[1]); rules != 0 {
		t.Errorf("%d rules", rules)
	}
	for _, c := range []Condition{
		{Drop: true, Reset: true}, {Drop: true, Delay: 1}, {LossPercent: 101}, {LossPercent: -1}, {Delay: -1}, {Delay: maxDelay + 1},
		{Jitter: 1}, {BytesPerSecond: -1}, {DropOverBytes: -1},
	} {
		if err := n.Set(c, Link{"a", "b"}); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if err := n.Attach("c", netip.MustParseAddr("::1"), nodes[0].netns); err == nil {
		t.Error("an IPv6 address is taken")
	}
}

func tablesOf(node *testNode) ([]*nftables.Table, error) {
	conn, err := nftables.New(nftables.WithNetNSFd(int(node.netns.Fd())))
	if err != nil {
		return nil, err
	}
	return conn.ListTables()
}

func rulesOf(t *testing.T, node *testNode) int {
	t.Helper()
	tables, err := tablesOf(node)
	must(t, err)
	if len(tables) == 0 {
		return 0
	}
	conn, err := nftables.New(nftables.WithNetNSFd(int(node.netns.Fd())))
	must(t, err)
	count := 0
	for _, chain := range []*nftables.Chain{arriving, leaving} {
		rules, err := conn.GetRules(labTable, chain)
		must(t, err)
		count += len(rules)
	}
	return count
}

// queuesOf counts the queues that somebody reads.
func queuesOf(t *testing.T, node *testNode) int {
	t.Helper()
	var text []byte
	must(t, inside(node.netns, func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_queue")
		return err
	}))
	return strings.Count(string(text), "\n")
}
