package netfault

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWhatIsDroppedIsDroppedInOneDirection(t *testing.T) {
	n, nodes := testNet(t, "a", "b", "c")
	a, b, c := nodes[0], nodes[1], nodes[2]
	listener := b.listen(t)
	fromA, atB := connect(t, a, b, listener)
	fromC, atB2 := connect(t, c, b, listener)

	must(t, n.Set(Condition{Drop: true}, Link{"a", "b"}))
	fromA.say("lost")
	atB.hearsNothing()
	atB.say("there")
	fromA.hears("there")
	fromC.say("not me")
	atB2.hears("not me")
	if _, err := a.dial(b, briefly); !isTimeout(err) {
		t.Errorf("a new connection: %v", err)
	}
	if got := bit(t, n, a, b); got.Packets < 2 || got.Bytes == 0 {
		t.Errorf("bit %s", got)
	}

	// The same connections go on.
	must(t, n.Clear(Link{"a", "b"}))
	atB.hears("lost")
	after := bit(t, n, a, b)
	fromA.say("back")
	atB.hears("back")
	if got := bit(t, n, a, b); got != after || got.None() {
		t.Errorf("bit %s after healing, %s later", after, got)
	}
	_, _ = connect(t, a, b, listener)
}

// Counting goes on while other conditions change, and begins anew with a condition.
func TestCountsAreThoseOfTheCondition(t *testing.T) {
	n, nodes := testNet(t, "a", "b", "c")
	a, b, c := nodes[0], nodes[1], nodes[2]
	listener := b.listen(t)
	_, _ = connect(t, a, b, listener)
	must(t, n.Set(Condition{Drop: true}, Isolate("b", "a", "b", "c")...))
	before := awaitBit(t, n, a, b)
	if !bit(t, n, c, b).None() {
		t.Fatalf("bit %s from a, %s from c", before, bit(t, n, c, b))
	}
	must(t, n.Set(Condition{Drop: true}, Link{"a", "c"}))
	if got := bit(t, n, a, b); got.Packets < before.Packets {
		t.Errorf("%s after another link was set, %s before", got, before)
	}
	must(t, n.Clear(Link{"c", "b"}))
	must(t, n.Set(Condition{LossPercent: 100}, Link{"a", "b"}))
	awaitBit(t, n, a, b)
	must(t, n.ClearAll())
	must(t, n.Set(Condition{Drop: true}, Link{"a", "b"}))
	if got := bit(t, n, a, b); !got.None() {
		t.Errorf("begins at %s", got)
	}
}

func TestAResetEndsBothEndsAndRefuses(t *testing.T) {
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	listener := b.listen(t)
	fromA, atB := connect(t, a, b, listener)
	fromA.say("hello")
	atB.hears("hello")

	// Neither end says anything.
	must(t, n.Set(Condition{Reset: true}, Both("a", "b")...))
	fromA.isReset()
	atB.isReset()
	if got := bit(t, n, a, b); got.Connections != 1 {
		t.Errorf("bit %s", got)
	}
	before := bit(t, n, a, b)
	if _, err := a.dial(b, patience); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a new connection: %v", err)
	}
	if got := bit(t, n, a, b); got.Packets <= before.Packets {
		t.Errorf("bit %s after a new connection, %s before", got, before)
	}
	must(t, n.ClearAll())
	_, _ = connect(t, a, b, listener)
}

// A connection that comes about after all, before a condition, ends with its next packet.
func TestAResetRuleEndsAConnection(t *testing.T) {
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	listener := b.listen(t)
	fromA, _ := connect(t, a, b, listener)
	n.mu.Lock()
	n.links[Link{"a", "b"}] = &link{condition: Condition{Reset: true}}
	must(t, n.write())
	n.mu.Unlock()
	fromA.say("x")
	fromA.isReset()
}

func TestShortPacketsGetThroughASmallMTU(t *testing.T) {
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	fromA, atB := connect(t, a, b, b.listen(t))
	must(t, n.Set(Condition{DropOverBytes: 500}, Link{"a", "b"}))
	fromA.say("short")
	atB.hears("short")
	if got := bit(t, n, a, b); !got.None() {
		t.Errorf("bit %s of what is short", got)
	}
	long := strings.Repeat("long", 200)
	fromA.say(long)
	atB.hearsNothing()
	atB.say(long)
	fromA.hears(long)
	if got := bit(t, n, a, b); got.None() {
		t.Error("did not bite")
	}
	must(t, n.ClearAll())
	atB.hears(long)
}

func TestAnOutsiderIsAnEndAsWell(t *testing.T) {
	n, nodes := testNet(t, "a", "lab")
	a, lab := nodes[0], nodes[1]
	must(t, n.Outside("lab", lab.addr))
	listener := a.listen(t)
	fromLab, atA := connect(t, lab, a, listener)
	for _, l := range Both("lab", "a") {
		speaker, listener := fromLab, atA
		if l.From == "a" {
			speaker, listener = atA, fromLab
		}
		must(t, n.Set(Condition{Drop: true}, l))
		speaker.say("lost")
		listener.hearsNothing()
		listener.say("other way")
		speaker.hears("other way")
		if got, err := n.Bit(l.From, l.To); err != nil || got.None() {
			t.Errorf("%s: bit %s, %v", l, got, err)
		}
		must(t, n.Clear(l))
		listener.hears("lost")
	}
	must(t, n.Set(Condition{Reset: true}, Link{"a", "lab"}))
	fromLab.isReset()
	atA.isReset()
	if _, err := lab.dial(a, time.Second); err == nil {
		t.Error("a new connection came about")
	}
}
