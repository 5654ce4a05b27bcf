package fault

import (
	"slices"
	"strings"
	"testing"

	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/netfault"
)

func members(names ...string) (all []*cluster.Member) {
	for _, name := range names {
		all = append(all, &cluster.Member{Name: name})
	}
	return all
}

func TestTopologies(t *testing.T) {
	all := members("a", "b", "c", "d", "e")
	for _, test := range []struct {
		name     string
		topology topology
		victims  []*cluster.Member
		want     string
	}{
		{"one that is isolated", around, all[:1], "a>b a>c a>d a>e b>a c>a d>a e>a"},
		{"two that are isolated are so from each other", around, all[:2], "a>b a>c a>d a>e b>a b>c b>d b>e c>a c>b d>a d>b e>a e>b"},
		{"two that are apart stay together", apart, all[:2], "a>c a>d a>e b>c b>d b>e c>a c>b d>a d>b e>a e>b"},
		{"one that is not heard", outgoing, all[4:], "e>a e>b e>c e>d"},
		{"one that does not hear", incoming, all[4:], "a>e b>e c>e d>e"},
		{"one that both halves reach", bridge, all[2:3], "a>d a>e b>d b>e d>a d>b e>a e>b"},
	} {
		var got []string
		for _, l := range dedupe(test.topology(all, test.victims)) {
			got = append(got, l.From+">"+l.To)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: got %s, want %s", test.name, text, test.want)
		}
	}
}

func TestDedupe(t *testing.T) {
	links := dedupe([]netfault.Link{{From: "b", To: "a"}, {From: "a", To: "b"}, {From: "b", To: "a"}})
	if want := netfault.Both("a", "b"); !slices.Equal(links, want) {
		t.Errorf("got %v", links)
	}
}

func TestKindsAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if k.Name == "" || k.What == "" || k.inject == nil || seen[k.Name] {
			t.Errorf("%q: a second one, or incomplete", k.Name)
		}
		if (k.Usual == 0) != (k.Unit == "") {
			t.Errorf("%s: %d %q", k.Name, k.Usual, k.Unit)
		}
		seen[k.Name] = true
		if found, err := Find(k.Name); err != nil || found.Name != k.Name {
			t.Errorf("%s is not found: %v", k.Name, err)
		}
	}
	if _, err := Find("no-such"); err == nil || !strings.Contains(err.Error(), "kill, ") {
		t.Errorf("the error of an unknown kind does not name those that there are: %v", err)
	}
}
