package netfault

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// attempts is how often a time is measured at most: what a busy machine adds is not what is meant.
const attempts = 50

// roundTrip is the shortest of a few, and of more while it is not below what it may be.
func roundTrip(a, b *end, below time.Duration) time.Duration {
	a.t.Helper()
	shortest := patience
	for i := 0; i < 5 || i < attempts && shortest >= below; i++ {
		start := time.Now()
		a.say("ping")
		b.hears("ping")
		b.say("pong")
		a.hears("pong")
		shortest = min(shortest, time.Since(start))
	}
	return shortest
}

func TestDelayedPacketsComeLaterInOneDirection(t *testing.T) {
	const delay = 50 * time.Millisecond
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	listener := b.listen(t)
	fromA, atB := connect(t, a, b, listener)
	must(t, n.Set(Condition{Delay: delay}, Link{"a", "b"}))
	if got := roundTrip(fromA, atB, 2*delay); got < delay || got >= 2*delay {
		t.Errorf("round trip in %s with a delay of %s in one direction", got, delay)
	}
	start := time.Now()
	_, _ = connect(t, a, b, listener)
	if got := time.Since(start); got < delay {
		t.Errorf("connected in %s", got)
	}
	if got := bit(t, n, a, b); got.Packets < 5 || got.Bytes < 5*40 {
		t.Errorf("bit %s", got)
	}
	must(t, n.Set(Condition{Delay: delay}, Link{"b", "a"}))
	if got := roundTrip(fromA, atB, 4*delay); got < 2*delay || got >= 4*delay {
		t.Errorf("round trip in %s with a delay of %s in both directions", got, delay)
	}
	must(t, n.ClearAll())
	if got := roundTrip(fromA, atB, delay/2); got >= delay/2 {
		t.Errorf("round trip in %s after healing", got)
	}
	t.Logf("%s delayed", bit(t, n, a, b))
}

// What waits for a condition goes on when that is over.
func TestHealingFreesWhatWaits(t *testing.T) {
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	fromA, atB := connect(t, a, b, b.listen(t))
	must(t, n.Set(Condition{Delay: maxDelay}, Link{"a", "b"}))
	start := time.Now()
	fromA.say("x")
	atB.hearsNothing()
	must(t, n.ClearAll())
	atB.hears("x")
	if got := time.Since(start); got >= maxDelay {
		t.Errorf("took %s", got)
	}
}

// If the lab ends, nodes must not lose each other for ever.
func TestPacketsPassAQueueThatNobodyReads(t *testing.T) {
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	fromA, atB := connect(t, a, b, b.listen(t))
	must(t, n.Set(Condition{Delay: time.Second}, Link{"a", "b"}))
	q := n.machines["b"].queue
	must(t, q.conn.Close())
	if got := roundTrip(fromA, atB, time.Second); got >= time.Second {
		t.Errorf("round trip in %s", got)
	}
	for start := time.Now(); ; {
		if _, err := n.Bit("a", "b"); err != nil {
			break
		}
		if time.Since(start) > patience {
			t.Fatal("the queue has failed, and nobody is told")
		}
	}
	// It can not be closed again.
	n.machines["b"].queue = nil
	close(q.ending)
	q.running.Wait()
}

func TestASlowLinkCarriesWhatItShould(t *testing.T) {
	const rate, amount = 1 << 20, 1 << 20
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	fromA, atB := connect(t, a, b, b.listen(t))
	must(t, n.Set(Condition{BytesPerSecond: rate}, Link{"a", "b"}))
	got := fastest(t, fromA, atB, amount, rate/2)
	t.Logf("%.0f bytes/s, %s", got, bit(t, n, a, b))
	if got < rate/2 || got > rate*2 {
		t.Errorf("%.0f bytes/s over a link of %d", got, rate)
	}
	must(t, n.ClearAll())
	if got := fastest(t, fromA, atB, amount, 2*rate); got < 2*rate {
		t.Errorf("%.0f bytes/s after healing", got)
	}
}

// A link with a delay carries much, as a long cable does, and loses nothing.
func TestMuchGoesThroughADelay(t *testing.T) {
	const amount = 8 << 20
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	fromA, atB := connect(t, a, b, b.listen(t))
	must(t, n.Set(Condition{Delay: 5 * time.Millisecond, Jitter: time.Millisecond, Reorder: true}, Both("a", "b")...))
	got := throughput(t, fromA, atB, amount)
	count := bit(t, n, a, b)
	t.Logf("%.0f bytes/s, %s", got, count)
	if count.Bytes < amount {
		t.Errorf("bit %s of %d bytes", count, amount)
	}
}

// fastest is the throughput of one transfer, and of more while it is not what it should be at least.
func fastest(t *testing.T, a, b *end, amount int64, least float64) float64 {
	t.Helper()
	var got float64
	for i := 0; i < attempts/10 && got < least; i++ {
		got = max(got, throughput(t, a, b, amount))
	}
	return got
}

func throughput(t *testing.T, a, b *end, amount int64) float64 {
	t.Helper()
	start := time.Now()
	must(t, a.SetWriteDeadline(start.Add(3*patience)))
	must(t, b.SetReadDeadline(start.Add(3*patience)))
	sent, received := make([]byte, amount), make([]byte, amount)
	_, _ = rand.NewChaCha8([32]byte{}).Read(sent)
	wrote := make(chan error, 1)
	go func() {
		_, err := a.Write(sent)
		wrote <- err
	}()
	_, err := io.ReadFull(b.lines, received)
	must(t, err)
	must(t, <-wrote)
	if !bytes.Equal(sent, received) {
		t.Error("received something else than was sent")
	}
	return float64(amount) / time.Since(start).Seconds()
}

// quiet is how long nothing has come when no datagram is on its way any more.
const quiet = 8 * time.Second

// numbers sends datagrams with numbers from one node to another, and returns those that arrived, in their order.
func numbers(t *testing.T, from, to *testNode, amount int) []int {
	t.Helper()
	at := netip.AddrPortFrom(to.addr, testPort)
	var sender, receiver *net.UDPConn
	must(t, inside(to.netns, func() (err error) {
		receiver, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		return err
	}))
	defer receiver.Close()
	must(t, inside(from.netns, func() (err error) {
		sender, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
		return err
	}))
	defer sender.Close()
	for i := range amount {
		_, err := sender.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
		must(t, err)
	}
	var got []int
	for buffer := make([]byte, 4); len(got) < amount; {
		must(t, receiver.SetReadDeadline(time.Now().Add(quiet)))
		if _, err := receiver.Read(buffer); err != nil {
			break
		}
		got = append(got, int(binary.BigEndian.Uint32(buffer)))
	}
	return got
}

func TestLossTakesItsShare(t *testing.T) {
	const amount = 200 // fits into the buffer of the receiver
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	must(t, n.Set(Condition{LossPercent: 50}, Link{"a", "b"}))
	lost := amount - len(numbers(t, a, b, amount))
	if lost < amount*35/100 || lost > amount*65/100 {
		t.Errorf("lost %d of %d", lost, amount)
	}
	if got := bit(t, n, a, b); got.Packets != uint64(lost) {
		t.Errorf("lost %d, bit %s", lost, got)
	}
	if got := len(numbers(t, b, a, amount)); got != amount {
		t.Errorf("the other way, %d of %d arrived", got, amount)
	}
}

func TestOrderIsKeptUnlessToldOtherwise(t *testing.T) {
	const amount = 200
	n, nodes := testNet(t, "a", "b")
	a, b := nodes[0], nodes[1]
	for _, reorder := range []bool{false, true} {
		must(t, n.Set(Condition{Delay: 20 * time.Millisecond, Jitter: 20 * time.Millisecond, Reorder: reorder}, Link{"a", "b"}))
		got := numbers(t, a, b, amount)
		if len(got) != amount || slices.IsSorted(got) == reorder {
			t.Errorf("%d of %d arrived, in order: %t, may be reordered: %t", len(got), amount, slices.IsSorted(got), reorder)
		}
	}
}
