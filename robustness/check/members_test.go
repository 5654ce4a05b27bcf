package check_test

import (
	"strings"
	"testing"

	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
)

func TestMembersListTheSame(t *testing.T) {
	both := []string{"m0", "m1"}
	for _, test := range []struct {
		name  string
		lists [][]string
		found string // "" for nothing
	}{
		{"both list both", [][]string{both, both}, ""},
		{"one lists one that was removed", [][]string{both, {"m0", "m1", "m3"}}, "expected m1 to list the members m0, m1, found m0, m1, m3"},
		{"one does not know the other", [][]string{{"m0"}, both}, "expected m0 to list the members m0, m1, found m0"},
		{"one has lost its vote", [][]string{both, {"m0", "m1 (learner)"}}, "m1 (learner)"},
		{"one did not answer", [][]string{both, nil}, ""},
	} {
		r := new(history.Record)
		for i, list := range test.lists {
			r.Ends = append(r.Ends, history.End{Member: both[i], Members: list})
		}
		v := judge(t, "members", r, check.Options{})
		if test.found == "" && !v.Passed() || test.found != "" && !strings.Contains(texts(v), test.found) {
			t.Errorf("%s: %+v", test.name, v)
		}
	}
}
