package config

import (
	"fmt"
	"strings"
	"testing"
)

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

// A gate whose value changes nothing says so; one that is set to what it is anyway does not.
func TestGatesWithoutEffectSaySo(t *testing.T) {
	for gates, want := range map[string]string{
		"FastLeaseKeepAlive=false": FeatureFastLeaseKeepAlive, "FastLeaseKeepAlive=true": "",
		"PriorityRequest=false": FeaturePriorityRequest, "PriorityRequest=true": "",
		"StopGRPCServiceOnDefrag=true": FeatureStopGRPCServiceOnDefrag, "StopGRPCServiceOnDefrag=false": "",
		"TxnModeWriteWithSharedBuffer=false": FeatureTxnModeWriteWithSharedBuffer,
		"LeaseCheckpoint=false":              "", "SetMemberLocalAddr=true": "", "CompactHashCheck=false": "", "InitialCorruptCheck=false": "",
	} {
		var warned []string
		for _, w := range parse(t, "--feature-gates="+gates).Warnings {
			if strings.Contains(w.Message, "feature gate") {
				warned = append(warned, w.Fields["gate"])
			}
		}
		if got := strings.Join(warned, ","); got != want {
			t.Errorf("%s: warned about %q, want %q", gates, got, want)
		}
	}
	if n := strings.Count(fmt.Sprint(parse(t).Warnings), "feature gate"); n != 0 {
		t.Errorf("%d warnings without any gate", n)
	}
}

// Every gate either has an effect or is listed with the reason why it has none.
func TestDefaultsOfGates(t *testing.T) {
	f := parse(t).Features
	for name := range beta {
		if fix, ok := fixed[name]; ok && f.Enabled(name) != fix.on {
			t.Errorf("%s is %v by default, and can only be %v", name, f.Enabled(name), fix.on)
		}
	}
	for _, name := range []string{FeatureLeaseCheckpoint, FeatureLeaseCheckpointPersist} {
		if !f.Enabled(name) {
			t.Errorf("%s is off", name)
		}
	}
}
