// Package fault does harm to a cluster, proves that it bit, and takes it back. Each kind of fault has a name; a plan says which of
// them happen to whom and when.
package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"quoin.dev/quoin/robustness/clockfault"
	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/diskfault"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/netfault"
	"quoin.dev/quoin/robustness/plan"
)

// World is what faults are done to.
type World struct {
	Cluster *cluster.Cluster
	// Access is that of the lab itself.
	Access cluster.Access
	Net    *netfault.Net
	// Disks and Clocks are those of members by their names; a scenario without such faults has none.
	Disks  map[string]*diskfault.Disk
	Clocks map[string]*clockfault.Clock
	// Now is the clock of the run.
	Now func() time.Duration
	// Joined is told of members that a fault has added, as learners, and Left of those that it has removed.
	Joined, Left func(*cluster.Member)
	// Program finds the program with a name, for faults that replace that of a member.
	Program func(ctx context.Context, name string) (cluster.Program, error)

	mu       sync.Mutex // guards what follows
	busy     map[string]*sync.Mutex
	learners map[string]bool
}

// claim waits until no other fault starts or ends processes of m, and returns what gives m back.
func (w *World) claim(m *cluster.Member) (release func()) {
	w.mu.Lock()
	if w.busy == nil {
		w.busy = map[string]*sync.Mutex{}
	}
	lock, ok := w.busy[m.Name]
	if !ok {
		lock = new(sync.Mutex)
		w.busy[m.Name] = lock
	}
	w.mu.Unlock()
	lock.Lock()
	return lock.Unlock
}

// Needs says what a fault is done with, beside processes.
type Needs struct{ Disk, Clock bool }

// Kind is a kind of fault.
type Kind struct {
	Name string
	// What says what it does to its victims, in a sentence.
	What string
	// Usual is the amount if a step names none, and Unit what it counts; "" if there is no amount.
	Usual  int
	Unit   string
	Needs  Needs
	inject func(context.Context, *Injection) error
}

// Kinds are all kinds, by name.
func Kinds() []Kind {
	all := slices.Concat(processKinds, networkKinds, diskKinds, clockKinds, serviceKinds)
	slices.SortFunc(all, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns the kind of that name.
func Find(name string) (Kind, error) {
	all := map[string]Kind{}
	for _, k := range Kinds() {
		all[k.Name] = k
	}
	k, ok := all[name]
	if !ok {
		return k, fmt.Errorf("fault: there is no kind %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	return k, nil
}

// Injection is one fault that is there.
type Injection struct {
	*World
	Kind    Kind
	Step    plan.Step
	Victims []*cluster.Member
	random  *rand.Rand

	added   []string // members that the fault itself has added, to be read once it is healed
	details []string
	heals   []func(context.Context) error // in the order of their injection
	proofs  []func(context.Context) (string, error)
	// halfRecords is how many logs a power cut has left with a part of a record at their ends.
	halfRecords int
	// began and done are the begin and the end of the injection.
	began, done time.Duration
}

// Inject does what a step says. The fault may have been done in part when there is an error, and has to be healed then, too.
func Inject(ctx context.Context, w *World, s plan.Step, random *rand.Rand) (*Injection, error) {
	kind, err := Find(s.Fault)
	if err != nil {
		return nil, err
	}
	if s.Amount == 0 {
		s.Amount = kind.Usual
	}
	i := &Injection{World: w, Kind: kind, Step: s, random: random, began: w.Now()}
	if i.Victims, err = w.victims(ctx, s.Victims, random); err != nil {
		return i, fmt.Errorf("%s: %w", s, err)
	}
	if err := kind.inject(ctx, i); err != nil {
		return i, fmt.Errorf("%s: %w", s, err)
	}
	i.done = w.Now()
	return i, nil
}

// Heal takes the fault back and returns what is known of it. The proof is asked for first, while the fault is there.
func (i *Injection) Heal(ctx context.Context) (history.Fault, error) {
	record := history.Fault{Kind: i.Kind.Name, Began: i.began, Injected: i.done}
	var errs []error
	var proofs []string
	for _, prove := range i.proofs {
		text, err := prove(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("no proof that it bit: %w", err))
		}
		if text != "" {
			proofs = append(proofs, text)
		}
	}
	for _, heal := range slices.Backward(i.heals) {
		if err := heal(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	record.Healed, record.HalfRecords, record.Detail = i.Now(), i.halfRecords, strings.Join(i.details, "; ")
	for _, m := range i.Victims {
		record.Members = append(record.Members, m.Name)
	}
	record.Members = append(record.Members, i.added...)
	if len(errs) == 0 {
		record.Proof = strings.Join(proofs, "; ")
		return record, nil
	}
	return record, fmt.Errorf("%s: %w", i.Step, errors.Join(errs...))
}

func (i *Injection) detail(format string, args ...any) {
	i.details = append(i.details, fmt.Sprintf(format, args...))
}

func (i *Injection) onHeal(f func(context.Context) error) { i.heals = append(i.heals, f) }

func (i *Injection) proof(f func(context.Context) (string, error)) { i.proofs = append(i.proofs, f) }

// proven is a proof that is there already.
func (i *Injection) proven(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	i.proof(func(context.Context) (string, error) { return text, nil })
}

// background runs f until the fault is healed.
func (i *Injection) background(ctx context.Context, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	i.onHeal(func(healing context.Context) error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-healing.Done():
			return healing.Err()
		}
	})
}

// draws is a source of random numbers for one goroutine.
func (i *Injection) draws() *rand.Rand { return rand.New(rand.NewPCG(i.random.Uint64(), 0)) }

// between waits a while, drawn from random, unless ctx ends.
func between(ctx context.Context, random *rand.Rand, least, most time.Duration) bool {
	timer := time.NewTimer(least + time.Duration(random.Int64N(int64(most-least)+1)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
