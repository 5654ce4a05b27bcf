package roster

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzFounders: whoever writes the same cluster in another order finds the same members, and another token others.
func FuzzFounders(f *testing.F) {
	for _, text := range []string{"", "a=http://h:1", "b=http://h:2,a=http://h:1,a=http://h:3", "a=http://h:1,b=http://h:1", "a=unix://x"} {
		f.Add(text, "token")
	}
	f.Fuzz(func(t *testing.T, text, token string) {
		members, err := ParseFounders(text, token)
		if err != nil {
			return
		}
		pairs := strings.Split(text, ",")
		slices.Reverse(pairs)
		again, err := ParseFounders(strings.Join(pairs, ","), token)
		if err != nil || !reflect.DeepEqual(members, again) {
			t.Errorf("%q: %+v, and the other way round %+v, %v", text, members, again, err)
		}
		others, err := ParseFounders(text, token+"x")
		if err != nil || len(members) > 0 && ClusterID(IDs(members)) == ClusterID(IDs(others)) {
			t.Errorf("%q: two tokens and one cluster: %+v, %v", text, others, err)
		}
		for _, m := range members {
			if id, err := ParseID(FormatID(m.ID)); err != nil || id != m.ID {
				t.Errorf("%x became %x, %v", m.ID, id, err)
			}
		}
	})
}
