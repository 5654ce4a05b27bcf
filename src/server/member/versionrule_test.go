package member

import (
	"testing"

	"quoin.dev/server/membership"
)

func minors(texts ...string) []*membership.Minor {
	list := make([]*membership.Minor, len(texts))
	for i, text := range texts {
		if m, err := membership.ParseMinor(text); err == nil {
			list[i] = &m
		}
	}
	return list
}

func TestNextVersion(t *testing.T) {
	none := membership.Downgrade{}
	to := func(target string) membership.Downgrade {
		return membership.Downgrade{Enabled: true, TargetVersion: target}
	}
	for _, tt := range []struct {
		name    string
		now     string
		job     membership.Downgrade
		members []*membership.Minor
		want    string
	}{
		{"first decision", "", none, minors("3.7.3", "3.7.0"), "3.7.0"},
		{"first decision, an older member", "", none, minors("3.7.3", "3.6.16"), "3.6.0"},
		{"first decision, one is not known", "", none, minors("3.7.3", "?"), "3.0.0"},
		{"all have been upgraded", "3.6.0", none, minors("3.7.3", "3.7.3"), "3.7.0"},
		{"from the oldest there can be", "3.0.0", none, minors("3.7.3", "3.7.3"), "3.7.0"},
		{"one has not been upgraded", "3.6.0", none, minors("3.7.3", "3.6.0"), ""},
		{"one is not known", "3.6.0", none, minors("3.7.3", "?"), ""},
		{"nothing to do", "3.7.0", none, minors("3.7.3", "3.7.3"), ""},
		{"an older member alone lowers nothing", "3.7.0", none, minors("3.7.3", "3.6.0"), ""},
		{"downgrade", "3.7.0", to("3.6.0"), minors("3.7.3", "3.7.3"), "3.6.0"},
		{"downgrade, a member is there already", "3.7.0", to("3.6.0"), minors("3.7.3", "3.6.1"), "3.6.0"},
		{"downgrade, one is not known", "3.7.0", to("3.6.0"), minors("3.7.3", "?"), ""},
		{"a job holds the version down", "3.6.0", to("3.6.0"), minors("3.7.3", "3.7.3"), ""},
		{"two versions at once", "3.7.0", to("3.5.0"), minors("3.7.3"), ""},
		{"two versions below the servers", "3.6.0", to("3.5.0"), minors("3.7.3"), ""}, // etcd stays, too
		{"a target that does not parse", "3.7.0", to("x"), minors("3.7.3"), ""},
		{"canceled", "3.6.0", membership.Downgrade{TargetVersion: "3.6.0"}, minors("3.7.3", "3.7.3"), "3.7.0"},
		{"canceled, a member is there already", "3.6.0", none, minors("3.7.3", "3.6.1"), ""},
	} {
		if got := nextVersion(tt.now, tt.job, tt.members); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDowngradeEndsWhenAllRunTheTarget(t *testing.T) {
	for _, tt := range []struct {
		target  string
		members []*membership.Minor
		want    bool
	}{
		{"3.6.0", minors("3.6.16", "3.6.0"), true},
		{"3.6.0", minors("3.6.16", "3.7.0"), false},
		{"3.6.0", minors("3.6.16", "?"), false},
		{"3.6.0", minors("3.6.16", "3.5.0"), false},
		{"3.6.0", nil, false},
		{"x", minors("3.6.16"), false},
	} {
		if got := allRun(tt.target, tt.members); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.target, got, tt.want)
		}
	}
}
