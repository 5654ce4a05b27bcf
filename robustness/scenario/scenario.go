// Package scenario holds the stories that the lab plays: a cluster, a load, faults drawn from a seed, and what is allowed meanwhile.
package scenario

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/plan"
)

// Programs that members run.
const (
	Quoin  = "quoin"
	Etcd   = "etcd"     // 3.7.3
	Etcd36 = "etcd-3.6" // the newest 3.6 that the lab knows
)

// Scenario is one story.
type Scenario struct {
	Name string
	// What tells it in a sentence.
	What string
	// Guards names the faults of etcd's history that would show here, by their ids.
	Guards []string

	// Members are the programs of the members at the start.
	Members []string
	// Flags are given to all of them.
	Flags []string
	// TLS secures both ports of all members. Auth turns authentication on. Disk and Clock make disks and clocks that can fail.
	TLS, Auth, Disk, Clock bool

	// Load names the kinds of workload.
	Load []string
	// Duration is that of the load.
	Duration time.Duration
	// Faults draws them from a source of random numbers; all must be healed by the end of the load.
	Faults func(*Draw)

	// Gap is the longest time without an acknowledged write that is allowed while a fault is there and after it was healed. 0: what
	// the checks take for usual.
	Gap time.Duration
	// Ends are the kinds of faults at which a member may end itself, and Allow names parts of log lines that are no trouble here.
	Ends  []string
	Allow []string
	// Quick puts it into the profile of continuous integration.
	Quick bool
}

// All are all scenarios, in the order of the catalogue.
func All() []Scenario {
	all := slices.Concat(processes(), networks(), disks(), services(), kinds())
	for i := range all {
		if all[i].Members == nil {
			all[i].Members = []string{Quoin, Quoin, Quoin}
		}
		if all[i].Load == nil {
			all[i].Load = []string{"mixed", "watches"}
		}
		if all[i].Duration == 0 {
			all[i].Duration = usualDuration
		}
	}
	return all
}

// usualDuration is long enough for some elections.
const usualDuration = 20 * time.Second

// Find returns the scenarios with these names; a name may end in * and then stands for all that begin so.
func Find(names ...string) ([]Scenario, error) {
	var found []Scenario
	for _, name := range names {
		before := len(found)
		for _, s := range All() {
			prefix, wild := strings.CutSuffix(name, "*")
			if s.Name == name || wild && strings.HasPrefix(s.Name, prefix) {
				found = append(found, s)
			}
		}
		if len(found) == before {
			return nil, fmt.Errorf("there is no scenario %q; `lab list` names them", name)
		}
	}
	return found, nil
}

// Plan draws the faults of a run.
func (s Scenario) Plan(seed uint64) *plan.Plan {
	d := &Draw{Rand: rand.New(rand.NewPCG(seed, 1)), End: s.Duration, members: len(s.Members)}
	if s.Faults != nil {
		s.Faults(d)
	}
	p := &plan.Plan{Scenario: s.Name, Seed: seed, Duration: plan.Duration(s.Duration), Steps: d.steps}
	p.Sort()
	return p
}

// Draw makes the steps of a plan.
type Draw struct {
	*rand.Rand
	// End is that of the load.
	End time.Duration

	members int
	steps   []plan.Step
}

const (
	// quiet is how long the load goes on before the first fault, and after the last one.
	quiet = 1500 * time.Millisecond
)

// between draws a time, to the millisecond, so that a plan reads well.
func (d *Draw) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N(int64(most-least)/int64(time.Millisecond)+1))*time.Millisecond
}

// one picks one of some words.
func (d *Draw) one(words ...string) string { return words[d.IntN(len(words))] }

// anybody names one member.
func (d *Draw) anybody() string { return fmt.Sprintf("m%d", d.IntN(d.members)) }

// add adds one step.
func (d *Draw) add(at, duration time.Duration, fault, victims string, amount int) {
	d.steps = append(d.steps, plan.Step{At: plan.Duration(at), For: plan.Duration(duration), Fault: fault, Victims: victims, Amount: amount})
}

// one fault after the other, each there for some time, with some time between them.
type series struct {
	least, most time.Duration // of a fault
	rest        time.Duration // between two of them, at most; at least a third of it
	fault       func() (fault, victims string, amount int)
}

func (d *Draw) series(s series) {
	for at := quiet; ; {
		duration := d.between(s.least, s.most)
		if at+duration > d.End-quiet {
			return
		}
		fault, victims, amount := s.fault()
		d.add(at, duration, fault, victims, amount)
		at += duration + d.between(s.rest/3, s.rest)
	}
}

// repeated is a series of one fault.
func repeated(fault, victims string, least, most, rest time.Duration) func(*Draw) {
	return func(d *Draw) {
		d.series(series{least: least, most: most, rest: rest, fault: func() (string, string, int) { return fault, victims, 0 }})
	}
}

// throughout is a fault that is there for most of the load.
func (d *Draw) throughout(fault, victims string, amount int) {
	d.add(quiet, d.End-2*quiet, fault, victims, amount)
}
