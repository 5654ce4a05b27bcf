package runner

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"quoin.dev/quoin/robustness/fault"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/plan"
)

// injectTimeout bounds how long it may take to do something to members, healTimeout to take it back.
const injectTimeout, healTimeout = 30 * time.Second, 30 * time.Second

// player does what a plan says.
type player struct {
	world *fault.World
	plan  *plan.Plan
	start time.Duration // when the load began, by the clock of the run
	say   func(format string, args ...any)

	mu     sync.Mutex // guards what follows
	faults []history.Fault
	errs   []error
	active map[int]string
}

// play returns when all faults are healed. A fault that could not be done or has no proof is an error: the run shows nothing then.
func (p *player) play(ctx context.Context) ([]history.Fault, error) {
	p.active = map[int]string{}
	var steps sync.WaitGroup
	for n, s := range p.plan.Steps {
		steps.Go(func() { p.step(ctx, n, s) })
	}
	steps.Wait()
	slices.SortFunc(p.faults, func(a, b history.Fault) int { return int(a.Injected - b.Injected) })
	if len(p.errs) > 0 {
		return p.faults, p.errs[0]
	}
	return p.faults, ctx.Err()
}

func (p *player) step(ctx context.Context, n int, s plan.Step) {
	if !p.wait(ctx, p.start+time.Duration(s.At)) {
		return
	}
	injecting, cancel := context.WithTimeout(ctx, injectTimeout)
	injection, err := fault.Inject(injecting, p.world, s, rand.New(rand.NewPCG(p.plan.Seed, uint64(n)+2)))
	cancel()
	if err != nil {
		p.failed(err)
	}
	if injection == nil {
		return
	}
	p.note(n, injection)
	p.wait(ctx, p.world.Now()+time.Duration(s.For))
	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), healTimeout)
	defer cancel()
	record, err := injection.Heal(healing)
	if err != nil {
		p.failed(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, record)
	delete(p.active, n)
	p.say("healed    %s: %s", s, record.Proof)
}

func (p *player) note(n int, i *fault.Injection) {
	names := ""
	for _, m := range i.Victims {
		names += " " + m.Name
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active[n] = i.Kind.Name + names
	p.say("injected  %s:%s", i.Step, names)
}

func (p *player) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
	p.say("FAILED    %v", err)
}

// now tells which faults are there.
func (p *player) now() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := ""
	for _, n := range slices.Sorted(maps.Keys(p.active)) {
		text += fmt.Sprintf("  %s", p.active[n])
	}
	return text
}

func (p *player) wait(ctx context.Context, until time.Duration) bool {
	timer := time.NewTimer(until - p.world.Now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
