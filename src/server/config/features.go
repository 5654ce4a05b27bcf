package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The feature gates of etcd 3.7.
const (
	FeatureCompactHashCheck             = "CompactHashCheck"
	FeatureFastLeaseKeepAlive           = "FastLeaseKeepAlive"
	FeatureInitialCorruptCheck          = "InitialCorruptCheck"
	FeatureLeaseCheckpoint              = "LeaseCheckpoint"
	FeatureLeaseCheckpointPersist       = "LeaseCheckpointPersist"
	FeaturePriorityRequest              = "PriorityRequest"
	FeatureSetMemberLocalAddr           = "SetMemberLocalAddr"
	FeatureStopGRPCServiceOnDefrag      = "StopGRPCServiceOnDefrag"
	FeatureTxnModeWriteWithSharedBuffer = "TxnModeWriteWithSharedBuffer"
)

// beta lists every gate; the beta ones are on by default, the alpha ones off.
var beta = map[string]bool{
	FeatureCompactHashCheck:             false,
	FeatureFastLeaseKeepAlive:           true,
	FeatureInitialCorruptCheck:          false,
	FeatureLeaseCheckpoint:              false,
	FeatureLeaseCheckpointPersist:       false,
	FeaturePriorityRequest:              false,
	FeatureSetMemberLocalAddr:           false,
	FeatureStopGRPCServiceOnDefrag:      false,
	FeatureTxnModeWriteWithSharedBuffer: true,
}

// onHere are alpha gates of etcd that are on in quoin, where what they guard costs little.
var onHere = map[string]bool{
	FeatureCompactHashCheck:       true,
	FeatureInitialCorruptCheck:    true,
	FeatureLeaseCheckpoint:        true,
	FeatureLeaseCheckpointPersist: true,
	FeaturePriorityRequest:        true,
}

// fixed are gates that change nothing here, whatever they are set to, and why. A start says so when the other is asked for.
var fixed = map[string]struct {
	on  bool
	why string
}{
	FeatureFastLeaseKeepAlive:           {true, "a renewal waits for no more than it needs"},
	FeaturePriorityRequest:              {true, "the end of a lease always goes first"},
	FeatureStopGRPCServiceOnDefrag:      {false, "requests are served during a defragmentation"},
	FeatureTxnModeWriteWithSharedBuffer: {true, "reads in a transaction share what is in memory"},
}

// Features are the gates that the operator set, by name; the rest have their defaults. It is the value of
// --feature-gates: "A=true,B=false", where AllAlpha and AllBeta set a whole stage.
type Features map[string]bool

// Enabled tells whether the gate is on.
func (f Features) Enabled(name string) bool {
	if v, ok := f[name]; ok {
		return v
	}
	return beta[name] || onHere[name]
}

// String lists the gates that were set, in alphabetical order.
func (f Features) String() string {
	parts := make([]string, 0, len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		parts = append(parts, name+"="+strconv.FormatBool(f[name]))
	}
	return strings.Join(parts, ",")
}

// Set reads the value of the flag. A gate that is named itself wins over its stage, whatever the order.
func (f *Features) Set(s string) error {
	named, stages := Features{}, Features{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, raw, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok {
			return fmt.Errorf("missing bool value for %s", name)
		}
		on, err := strconv.ParseBool(strings.TrimSpace(raw))
		if err != nil {
			return fmt.Errorf("invalid value of %s=%s, err: %w", name, raw, err)
		}
		if name == "AllAlpha" || name == "AllBeta" {
			for gate, isBeta := range beta {
				if isBeta == (name == "AllBeta") {
					stages[gate] = on
				}
			}
			continue
		}
		if _, known := beta[name]; !known {
			return fmt.Errorf("unrecognized feature gate: %s", name)
		}
		named[name] = on
	}
	maps.Copy(stages, named)
	*f = stages
	return nil
}

// Gate is a feature gate with its stage, ALPHA or BETA.
type Gate struct {
	Name, Stage string
	On          bool
}

// Gates lists every gate, and those of the two stages, which are on if the operator has switched on all of them.
func (f Features) Gates() []Gate {
	gates := []Gate{{"AllAlpha", "ALPHA", true}, {"AllBeta", "BETA", true}}
	for _, name := range slices.Sorted(maps.Keys(beta)) {
		all := &gates[0]
		if beta[name] {
			all = &gates[1]
		}
		all.On = all.On && f[name]
		gates = append(gates, Gate{name, all.Stage, f.Enabled(name)})
	}
	return gates
}

// validate looks at what was set, not at what is on without a word: who asks for one half of a feature alone is refused, as by
// etcd.
func (f Features) validate() error {
	if f[FeatureLeaseCheckpointPersist] && !f[FeatureLeaseCheckpoint] {
		return fmt.Errorf("enabling feature gate %s requires enabling feature gate %s", FeatureLeaseCheckpointPersist, FeatureLeaseCheckpoint)
	}
	return nil
}

// noteGates warns about gates that are set to what they can not be.
func (c *Config) noteGates() {
	for _, name := range slices.Sorted(maps.Keys(c.Features)) {
		if f, ok := fixed[name]; ok && c.Features[name] != f.on {
			c.warn("feature gate has no effect in quoin", "gate", name, "reason", f.why)
		}
	}
}
