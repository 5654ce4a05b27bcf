package auth

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/api/authpb"
)

// alphabet is short, so that random ranges meet, touch and contain each other all the time.
const alphabet = "\x00abc"

func randomKey(r *rand.Rand, least int) string {
	key := make([]byte, least+r.IntN(3))
	for i := range key {
		key[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(key)
}

// slowly finds out about a set in the obvious way: it follows the range from its beginning, from one permission to the next.
func slowly(all []span, asked span) bool {
	if asked.empty() {
		asked = spanOf(asked.begin, "")
	}
	at := asked.begin
	for moved := true; moved; {
		moved = false
		for _, s := range all {
			if s.empty() || s.begin > at || (!s.endless && s.end <= at) {
				continue
			}
			if s.endless || (!asked.endless && s.end >= asked.end) {
				return true
			}
			at, moved = s.end, true
		}
	}
	return false
}

// TestSpansHoldWhatTheirPermissionsHold compares with the slow twin.
func TestSpansHoldWhatTheirPermissionsHold(t *testing.T) {
	const seed = 20261127
	r := rand.New(rand.NewPCG(seed, 0))
	held := 0
	for n := range 20_000 {
		var all []span
		for range r.IntN(8) {
			all = append(all, spanOf(randomKey(r, 0), randomKey(r, 0)))
		}
		set := unite(append([]span(nil), all...))
		for i := 1; i < len(set); i++ {
			if set[i-1].endless || set[i-1].end >= set[i].begin {
				t.Fatalf("seed %d, round %d: no gap in %+v", seed, n, set)
			}
		}
		key, end := randomKey(r, 1), randomKey(r, 0)
		want := slowly(all, spanOf(key, end))
		if got := set.holds([]byte(key), []byte(end)); got != want {
			t.Fatalf("seed %d, round %d: %+v holds %q to %q: got %v, want %v", seed, n, all, key, end, got, want)
		}
		if one := slowly(all, spanOf(key, "")); holdsKey(set, key) != one || set.holds([]byte(key), nil) != one {
			t.Fatalf("seed %d, round %d: %+v holds %q: want %v", seed, n, all, key, one)
		}
		if want {
			held++
		}
	}
	NewWithT(t).Expect(held).To(BeNumerically(">", 2_000), "both answers are asked for")
}

func TestPermissionsAreUnitedByKind(t *testing.T) {
	w := NewWithT(t)
	p := func(kind authpb.Permission_Type, key, end string) *authpb.Permission {
		return &authpb.Permission{PermType: kind, Key: []byte(key), RangeEnd: []byte(end)}
	}
	g := grantsOf([]*authpb.Role{
		{KeyPermission: []*authpb.Permission{p(authpb.Permission_READ, "a", "c"), p(authpb.Permission_WRITE, "x", "")}},
		{KeyPermission: []*authpb.Permission{p(authpb.Permission_READWRITE, "c", "e"), p(7, "k", "")}},
	})
	w.Expect(g.read).To(Equal(spans{{begin: "a", end: "e"}}), "two roles cover one range together")
	w.Expect(g.write).To(Equal(spans{{begin: "c", end: "e"}, {begin: "x", end: "x\x00"}}))
}

// shortKeys are all texts of up to three letters.
func shortKeys() []string {
	all, last := []string{""}, []string{""}
	for range 3 {
		var longer []string
		for _, text := range last {
			for _, letter := range alphabet {
				longer = append(longer, text+string(letter))
			}
		}
		all, last = append(all, longer...), longer
	}
	return all
}

// FuzzSpans: a range is held if and only if each of its keys is in one of the permissions. Bounds have two letters at most, so that texts
// of three have the first key of every piece between two bounds, and decides about the rest of the piece.
func FuzzSpans(f *testing.F) {
	f.Add("a,c,a,b,b,c")
	f.Add("a,0,b,0,a,c")
	f.Add("b,a,b,,a,ab,c,a")
	f.Add("a,,a,a0")
	keys := shortKeys()
	f.Fuzz(func(t *testing.T, text string) {
		parts := strings.SplitN(text, ",", 20)
		for i, part := range parts {
			letters := []byte(part[:min(len(part), 2)])
			for j := range letters {
				letters[j] = alphabet[letters[j]%byte(len(alphabet))]
			}
			parts[i] = string(letters)
		}
		if len(parts) < 2 || parts[0] == "" {
			return
		}
		var all []span
		for i := 2; i+1 < len(parts); i += 2 {
			all = append(all, spanOf(parts[i], parts[i+1]))
		}
		asked := spanOf(parts[0], parts[1])
		if asked.empty() {
			asked = spanOf(parts[0], "")
		}
		within := func(s span, key string) bool { return s.begin <= key && (s.endless || key < s.end) }
		want := true
		for _, key := range keys {
			want = want && (!within(asked, key) || slices.ContainsFunc(all, func(s span) bool { return within(s, key) }))
		}
		set := unite(slices.Clone(all))
		if got := set.holds([]byte(parts[0]), []byte(parts[1])); got != want {
			t.Errorf("%+v holds %q to %q: got %v, want %v", all, parts[0], parts[1], got, want)
		}
	})
}
