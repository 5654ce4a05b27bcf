package check

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
)

// rankBits are the low bits of a time for the search: they order what begins at the same moment by its place.
const rankBits = 20

type result int

const (
	found result = iota
	impossible
	undecided
)

// search looks for the order, with porcupine.
type search struct {
	e       *evidence
	steps   []*step
	auto    bool
	deepest atomic.Pointer[point]
}

// point is where a search has come to: a state, and the steps that led to it.
type point struct {
	state *model.State
	from  *point
	by    *step
	depth int
}

func (s *search) run(limit time.Duration) result {
	begin := &point{state: model.New()}
	s.deepest.Store(begin)
	switch porcupine.CheckOperationsTimeout(s.model(begin), operations(s.steps), limit) {
	case porcupine.Ok:
		return found
	case porcupine.Illegal:
		return impossible
	default:
		return undecided
	}
}

// model is what porcupine needs to know of it. A search begins at a point.
func (s *search) model(begin *point) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return begin },
		Step: func(state, input, _ any) (bool, any) {
			p, step := state.(*point), input.(*step)
			next, err := s.try(p.state, step)
			if next == nil || err != nil {
				return false, nil
			}
			q := &point{state: next, from: p, by: step, depth: p.depth + 1}
			if deepest := s.deepest.Load(); deepest == nil || q.depth > deepest.depth {
				s.deepest.Store(q)
			}
			return true, q
		},
		Equal:             func(a, b any) bool { return a.(*point).state.Equal(b.(*point).state) },
		Hash:              func(state any) uint64 { return state.(*point).state.Hash() },
		DescribeOperation: func(input, _ any) string { return input.(*step).text() },
		DescribeState:     func(state any) string { return state.(*point).state.String() },
	}
}

// try makes a step, if its place is here. A step that has another place is refused without words, since that is most of them.
func (s *search) try(state *model.State, step *step) (*model.State, error) {
	switch {
	case step.place == 0:
	case step.place%2 == 0 && state.Revision() != step.place/2-1, step.place%2 == 1 && state.Revision() != step.place/2:
		return nil, nil
	}
	next, err := state.Step(step.request, step.answer)
	if err != nil && s.auto && strings.Contains(step.answer.Error, "required revision has been compacted") {
		return state, nil
	}
	if err == nil && step.optional && s.e.complete() && next.Revision() != state.Revision() {
		return state, nil // it has changed no key: that would be in the log
	}
	return next, err
}

func operations(steps []*step) []porcupine.Operation {
	list := make([]porcupine.Operation, len(steps))
	clients := 0
	for _, s := range steps {
		clients = max(clients, s.client+1)
	}
	for i, s := range steps {
		client := s.client
		if client < 0 {
			client = clients // what nobody asked for has a line of its own
		}
		list[i] = porcupine.Operation{
			ClientId: client, Input: s, Call: int64(s.earliest)<<rankBits + int64(s.rank), Return: int64(s.request.Return)<<rankBits + (1<<rankBits - 1),
		}
	}
	return list
}

// finding says where the search could not go on.
func (s *search) finding() history.Finding {
	last := s.deepest.Load()
	done := map[*step]bool{}
	for p := last; p.by != nil; p = p.from {
		done[p.by] = true
	}
	rest := slices.DeleteFunc(slices.Clone(s.steps), func(x *step) bool { return done[x] })
	slices.SortStableFunc(rest, func(a, b *step) int { return cmp.Compare(a.request.Return, b.request.Return) })
	stuck := rest[0]
	f := history.Finding{At: stuck.request.Return}
	var reasons []string
	for _, x := range rest {
		if x.earliest > stuck.request.Return || len(reasons) == 3 {
			continue
		}
		if x.operation >= 0 {
			f.Operations = append(f.Operations, x.operation)
		}
		reasons = append(reasons, s.reason(last.state, x))
	}
	f.Text = fmt.Sprintf("expected an order of all operations that explains every answer; found none that goes on after %d of %d, at revision %d: %s",
		last.depth, len(s.steps), last.state.Revision(), strings.Join(reasons, "; "))
	f.Picture = s.picture(last, rest)
	return f
}

func (s *search) reason(state *model.State, x *step) string {
	who := "what nobody asked for"
	if x.operation >= 0 {
		who = s.e.who(x.operation)
	}
	next, err := s.try(state, x)
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %v", who, err)
	case next != nil:
		return fmt.Sprintf("%s could follow, but leads nowhere", who)
	case x.place%2 == 0:
		return fmt.Sprintf("%s made revision %d, which does not come next", who, x.place/2)
	default:
		return fmt.Sprintf("%s saw revision %d, not this one", who, x.place/2)
	}
}

const (
	pictureName  = "linearizable.html"
	pictureSteps = 40 // on either side of where the search could not go on
	pictureLimit = 10 * time.Second
)

// picture shows the steps around the place where the search ended. It is empty if there is no directory for it.
func (s *search) picture(last *point, rest []*step) string {
	if s.e.options.Dir == "" {
		return ""
	}
	begin := last
	var shown []*step
	for begin.by != nil && len(shown) < pictureSteps {
		shown = append(shown, begin.by)
		begin = begin.from
	}
	slices.Reverse(shown)
	slices.SortStableFunc(rest, func(a, b *step) int { return cmp.Compare(a.earliest, b.earliest) })
	shown = append(shown, rest[:min(len(rest), pictureSteps)]...)
	var end time.Duration
	for _, x := range shown {
		if x.request.Return != never {
			end = max(end, x.request.Return)
		}
	}
	for i, x := range shown {
		if x.request.Return == never {
			copied := *x
			copied.request.Return = max(end, x.earliest)
			shown[i] = &copied
		}
	}
	sub := &search{e: s.e, steps: shown, auto: s.auto}
	start := &point{state: begin.state}
	m := sub.model(start)
	_, info := porcupine.CheckOperationsVerbose(m, operations(shown), pictureLimit)
	if err := porcupine.VisualizePath(m, info, filepath.Join(s.e.options.Dir, pictureName)); err != nil {
		return ""
	}
	return pictureName
}
