package persistent_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"quoin.dev/quoin/robustness/check/persistent"
)

// Every version of the map goes on saying what a plain map said when it was made.
func TestVersionsStayAsTheyAre(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type version struct {
		m    persistent.Map[int]
		twin map[string]int
	}
	versions := []version{{twin: map[string]int{}}}
	for i := range 600 {
		v := versions[len(versions)-1]
		key, twin := fmt.Sprint(random.IntN(80)), maps.Clone(v.twin)
		if random.IntN(3) == 0 {
			delete(twin, key)
			versions = append(versions, version{v.m.Without(key), twin})
			continue
		}
		twin[key] = i
		versions = append(versions, version{v.m.With(key, i), twin})
	}
	for i, v := range versions {
		from := fmt.Sprint(i % 80)
		var want, got []string
		for _, key := range slices.Sorted(maps.Keys(v.twin)) {
			if key >= from {
				want = append(want, fmt.Sprint(key, v.twin[key]))
			}
			if value, ok := v.m.Get(key); !ok || value != v.twin[key] {
				t.Fatalf("version %d: %s is %d (%v), not %d", i, key, value, ok, v.twin[key])
			}
		}
		v.m.From(from, func(key string, value int) bool {
			got = append(got, fmt.Sprint(key, value))
			return true
		})
		if !slices.Equal(got, want) || v.m.Len() != len(v.twin) {
			t.Fatalf("version %d, %d keys: from %s on %v, not %v", i, v.m.Len(), from, got, want)
		}
	}
	if _, ok := versions[len(versions)-1].m.Get("none"); ok {
		t.Error("there is a key that nobody has put")
	}
}

func TestAWalkEndsWhenItIsTold(t *testing.T) {
	m := persistent.Map[int]{}.With("a", 1).With("b", 2).With("c", 3)
	sum := 0
	m.From("", func(_ string, value int) bool {
		sum += value
		return value < 2
	})
	if sum != 3 {
		t.Errorf("what was walked over sums up to %d", sum)
	}
}
