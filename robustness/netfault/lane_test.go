package netfault

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestALaneDelays(t *testing.T) {
	l := lane{condition: Condition{Delay: 100 * time.Millisecond, Jitter: 20 * time.Millisecond}}
	for _, step := range []struct {
		at     time.Duration
		chance float64
		due    time.Duration
	}{
		{0, 0.5, 100 * time.Millisecond},
		{time.Millisecond, 1, 121 * time.Millisecond},
		{2 * time.Millisecond, 0, 121 * time.Millisecond}, // does not overtake
		{time.Second, 0, 1080 * time.Millisecond},
	} {
		if got, ok := l.due(noon.Add(step.at), 1000, step.chance); !ok || got.Sub(noon) != step.due {
			t.Errorf("%s: due at %s, %t", step.at, got.Sub(noon), ok)
		}
	}
	l.condition.Reorder = true
	_, _ = l.due(noon.Add(2*time.Second), 1000, 1)
	if got, _ := l.due(noon.Add(2*time.Second), 1000, 0); got.Sub(noon) != 2080*time.Millisecond {
		t.Errorf("due at %s", got.Sub(noon))
	}
	if want := (Count{Packets: 6, Bytes: 6000}); l.count != want {
		t.Errorf("counted %s", l.count)
	}
}

func TestASlowLaneTakesTimeForBytes(t *testing.T) {
	l := lane{condition: Condition{BytesPerSecond: 64 << 10, Delay: time.Second}}
	for i, due := range []time.Duration{1500, 2000, 2500, 3000} {
		if got, ok := l.due(noon, 32<<10, 0.5); !ok || got.Sub(noon) != due*time.Millisecond {
			t.Errorf("packet %d is due at %s, %t", i, got.Sub(noon), ok)
		}
	}
	if _, ok := l.due(noon, 1, 0.5); ok {
		t.Error("more waits than may")
	}
	if got, ok := l.due(noon.Add(time.Second), 32<<10, 0.5); !ok || got.Sub(noon) != 3500*time.Millisecond {
		t.Errorf("with place again, due at %s, %t", got.Sub(noon), ok)
	}
	if got, _ := l.due(noon.Add(time.Minute), 64<<10, 0.5); got.Sub(noon) != time.Minute+2*time.Second {
		t.Errorf("on an idle link, due at %s", got.Sub(noon))
	}
}

// What is let go is in the order of the times, and of the ids where these are the same.
func TestHeldPacketsGoInTheirOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var h held
		var want []heldPacket
		for i := range random.IntN(50) {
			p := heldPacket{id: uint32(0xfffffff0 + i), lengthBytes: 10, due: noon.Add(time.Duration(random.IntN(10)))}
			want = append(want, p)
			h.add(p)
		}
		slices.SortStableFunc(want, func(a, b heldPacket) int { return a.due.Compare(b.due) })
		var got, ids []uint32
		for now := range 10 {
			got = append(got, h.takeDue(noon.Add(time.Duration(now)))...)
		}
		for _, p := range want {
			ids = append(ids, p.id)
		}
		if !reflect.DeepEqual(got, ids) || h.bytes != 0 {
			t.Fatalf("got %v, want %v, %d bytes left", got, ids, h.bytes)
		}
	}
}

func TestPacketsOfALaneThatGoesAreFree(t *testing.T) {
	var h held
	stays, goes := new(lane), new(lane)
	h.add(heldPacket{id: 1, due: noon, lane: stays})
	h.add(heldPacket{id: 2, due: noon.Add(time.Hour), lane: goes})
	h.add(heldPacket{id: 3, due: noon.Add(time.Minute), lane: goes})
	h.free(func(l *lane) bool { return l == stays })
	if got := h.takeDue(noon.Add(-time.Second)); !reflect.DeepEqual(got, []uint32{2, 3}) {
		t.Errorf("free are %v", got)
	}
	if next, ok := h.next(); !ok || next != noon {
		t.Errorf("next at %s, %t", next, ok)
	}
}

func TestMessagesAboutPacketsAreRead(t *testing.T) {
	ip := make([]byte, ipv4HeaderSize)
	binary.BigEndian.PutUint16(ip[2:], 1500)
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	whole, err := queueMessage(queuePacket, func(e *netlink.AttributeEncoder) {
		e.Bytes(packetHeader, []byte{0, 0, 1, 2, 8, 0, 1})
		e.Bytes(packetPayload, ip)
	})
	must(t, err)
	want := arrival{id: 0x102, from: netip.MustParseAddr("10.0.0.1"), to: netip.MustParseAddr("10.0.0.2"), lengthBytes: 1500}
	if got, err := parseArrival(whole); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for length := range len(whole.Data) {
		cut := whole
		cut.Data = whole.Data[:length]
		if got, err := parseArrival(cut); err == nil {
			t.Errorf("%d bytes: %+v", length, got)
		}
	}
}
