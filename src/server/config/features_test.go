package config

import "testing"

// The checks for corruption are on without a word, and off with one. A drop-in takes an interval of 0 from who has not asked
// for the check by name, as etcd does.
func TestCorruptionChecksAreOn(t *testing.T) {
	for _, c := range []struct {
		args             []string
		initial, compact bool
	}{
		{nil, true, true},
		{[]string{"--feature-gates=CompactHashCheck=false"}, true, false},
		{[]string{"--feature-gates=AllAlpha=false"}, false, false},
		{[]string{"--feature-gates=AllAlpha=false,InitialCorruptCheck=true"}, true, false},
		{[]string{"--compact-hash-check-time=0"}, true, true},
	} {
		cfg := parse(t, c.args...)
		if got := cfg.Features.Enabled(FeatureInitialCorruptCheck); got != c.initial {
			t.Errorf("%q: InitialCorruptCheck is %v", c.args, got)
		}
		if got := cfg.Features.Enabled(FeatureCompactHashCheck); got != c.compact {
			t.Errorf("%q: CompactHashCheck is %v", c.args, got)
		}
	}
	if _, err := ParseFrom([]string{"--feature-gates=CompactHashCheck=true", "--compact-hash-check-time=0"}, Sources{}); err == nil {
		t.Error("a check that is asked for needs an interval")
	}
}
