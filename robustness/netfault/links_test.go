package netfault

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// show writes links as pairs of letters, sorted.
func show(links []Link) string {
	var pairs []string
	for _, l := range links {
		pairs = append(pairs, l.From+l.To)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, " ")
}

func TestLinksOfPartitions(t *testing.T) {
	for name, c := range map[string]struct {
		links []Link
		want  string
	}{
		"both":    {Both("a", "b"), "ab ba"},
		"one way": {OneWay([]string{"a", "b"}, []string{"b", "c"}), "ab ac bc"},
		"isolate": {Isolate("b", "a", "b", "c"), "ab ba bc cb"},
		"split":   {Split([]string{"a"}, []string{"b", "c"}), "ab ac ba ca"},
		"thirds":  {Split([]string{"a"}, []string{"b"}, []string{"c"}), "ab ac ba bc ca cb"},
		"bridge":  {Bridge("c", "a", "b", "c", "d", "e"), "ad ae bd be da db ea eb"},
		"ring":    {Ring("a", "b", "c", "d", "e"), "ac ad bd be ca ce da db eb ec"},
		"ring 3":  {Ring("a", "b", "c"), ""},
	} {
		if got := show(c.links); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestConditionsInWords(t *testing.T) {
	for want, c := range map[string]Condition{
		"good":                            {},
		"dropped":                         {Drop: true},
		"5 % lost, 100ms late":            {LossPercent: 5, Delay: 100 * time.Millisecond},
		"1s ± 20ms late, out of order":    {Delay: time.Second, Jitter: 20 * time.Millisecond, Reorder: true},
		"65536 bytes/s":                   {BytesPerSecond: 65536},
		"dropped if longer than 40 bytes": {DropOverBytes: 40},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := (Count{Packets: 2, Bytes: 90, Connections: 1}).String(); got != "2 packets (90 bytes) and 1 connections" {
		t.Errorf("got %q", got)
	}
}
