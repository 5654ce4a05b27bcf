// Package plan is what is done to a cluster, and when. A plan is data: a scenario makes it from a seed, a run keeps it, and a
// replay does it again.
package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// FileName is that of a plan in the directory of its run.
const FileName = "plan.json"

// Plan is a run before it has happened.
type Plan struct {
	Scenario string
	// Seed is what the faults and the requests of the clients are drawn from.
	Seed uint64
	// Duration is that of the load. Faults begin and end within it.
	Duration Duration
	// OneJournal makes all names on disks that can fail durable with any sync, as ext4 does. Without it a name is durable after a
	// sync of its directory, and POSIX promises no more.
	OneJournal bool   `json:",omitempty"`
	Steps      []Step // in the order of their times
}

// Step is one fault.
type Step struct {
	// At is when it begins, after the load has begun; For is how long it stays. A fault of one moment has no For.
	At, For Duration
	// Fault is the name of a kind of fault.
	Fault string
	// Victims says which members: names (m0), or parts that are played when it begins: leader, follower, minority (less than a half,
	// with the leader if there is a choice), majority, all. A follower is a voter that does not lead, drawn by the seed.
	Victims string `json:",omitempty"`
	// Amount is how much of it: milliseconds of a delay, percent of a loss, bytes a second of a slow link. 0: what is usual.
	Amount int `json:",omitempty"`
}

// String is one line, as in "kill leader for 2s".
func (s Step) String() string {
	text := s.Fault
	if s.Victims != "" {
		text += " " + s.Victims
	}
	if s.Amount != 0 {
		text += fmt.Sprintf(" (%d)", s.Amount)
	}
	if s.For > 0 {
		text += fmt.Sprintf(" for %s", s.For)
	}
	return text
}

// Duration is one that people can read in JSON.
type Duration time.Duration

// String is as that of a time.Duration, to the millisecond.
func (d Duration) String() string { return time.Duration(d).Round(time.Millisecond).String() }

// MarshalText writes it as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads it as Go does.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	*d = Duration(value)
	return err
}

// Sort puts the steps into the order of their times.
func (p *Plan) Sort() {
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
}

// End is when the last fault is healed.
func (p *Plan) End() time.Duration {
	var end time.Duration
	for _, s := range p.Steps {
		end = max(end, time.Duration(s.At+s.For))
	}
	return end
}

// Only is the plan with some of its steps, by their places.
func (p *Plan) Only(places []int) *Plan {
	less := *p
	less.Steps = nil
	for _, i := range places {
		less.Steps = append(less.Steps, p.Steps[i])
	}
	return &less
}

// String is one line for each step.
func (p *Plan) String() string {
	head := fmt.Sprintf("%s, seed %d, load for %s, %d faults", p.Scenario, p.Seed, p.Duration, len(p.Steps))
	if p.OneJournal {
		head += ", disks with one journal"
	}
	lines := []string{head}
	for _, s := range p.Steps {
		lines = append(lines, fmt.Sprintf("  at %s: %s", s.At, s))
	}
	return strings.Join(lines, "\n")
}

// Write puts the plan into the directory of a run.
func (p *Plan) Write(dir string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, FileName), append(data, '\n'), 0o644)
}

// Read gets the plan out of a file, or out of the directory of a run.
func Read(path string) (*Plan, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := new(Plan)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("plan: %s: %w", path, err)
	}
	return p, nil
}
