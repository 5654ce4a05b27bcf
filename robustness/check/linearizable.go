package check

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3lockpb"
	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// step is something that happened at one moment between its times.
type step struct {
	operation int // index in the record, -1 if no client asked for it
	client    int
	request   model.Request
	answer    model.Answer
	// place is where it must stand among the revisions: twice the one that it made, or one more than twice the one that it saw. 0: it does
	// not say.
	place int64
	// optional: it may not have happened.
	optional bool
	// earliest is the call, or later if what must have happened before was asked for later.
	earliest time.Duration
	rank     int
}

// never is after everything.
const never = time.Duration(math.MaxInt64 >> rankBits)

// linearizable looks for an order in which all operations happened, one by one, each between its call and its return, and each with
// the answer that was given.
func linearizable(ctx context.Context, e *evidence, v *sheet) {
	steps, left := e.steps()
	if len(steps) == 0 {
		return
	}
	if !e.complete() && slices.ContainsFunc(steps, func(s *step) bool { _, is := s.request.Message.(*pb.LeaseGrantRequest); return is }) {
		v.Skipped = fmt.Sprintf("leases may have ended unseen: of the changes %s no watch has heard", e.missing())
		return
	}
	tighten(steps)
	v.Judged = fmt.Sprintf("%d operations of %d clients", len(steps), e.clients())
	if len(left) > 0 {
		v.Judged += "; not judged: " + strings.Join(left, ", ")
	}
	limit := e.options.SearchLimit
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(time.Until(deadline), time.Millisecond))
	}
	s := &search{e: e, steps: steps, auto: e.options.AutoCompaction}
	switch s.run(limit) {
	case found:
	case undecided:
		v.Skipped = fmt.Sprintf("not decided within %v: %d of %d operations were brought into an order", limit.Round(time.Second), s.deepest.Load().depth, len(steps))
	case impossible:
		v.find(s.finding())
	}
}

// missing says which changes are not known.
func (e *evidence) missing() string {
	if len(e.log.Watches) == 0 {
		return "of this run"
	}
	var texts []string
	for _, h := range e.log.Holes() {
		texts = append(texts, h.String())
	}
	if last := e.lastAnswered(); last > e.log.Last() {
		texts = append(texts, fmt.Sprintf("%d to %d", e.log.Last()+1, last))
	}
	return strings.Join(texts, ", ")
}

// steps are the operations that can be judged, and what the log says beyond them. left says what is left out.
func (e *evidence) steps() (steps []*step, left []string) {
	unjudged := map[string]int{}
	complete := e.complete()
	granted := e.grantsSeen()
	for i := range e.Operations {
		op := &e.Operations[i]
		s := &step{operation: i, client: op.Client, earliest: op.Call,
			request: model.Request{User: op.User, Message: op.Request, Call: op.Call, Return: op.Return}}
		if why := e.fill(s, op, complete, granted); why != "" {
			unjudged[why]++
			continue
		}
		steps = append(steps, s)
	}
	if complete {
		steps = append(steps, e.unasked()...)
	}
	for why, n := range unjudged {
		left = append(left, fmt.Sprintf("%d %s", n, why))
	}
	slices.Sort(left)
	return steps, left
}

// fill completes the step of an operation; if it can not be judged, it says why.
func (e *evidence) fill(s *step, op *history.Operation, complete bool, granted map[int64]time.Duration) string {
	if u, ok := op.Request.(*v3lockpb.UnlockRequest); ok {
		s.request.Message = &pb.DeleteRangeRequest{Key: u.Key}
	}
	_, renewal := op.Request.(*pb.LeaseKeepAliveRequest)
	_, question := op.Request.(*pb.LeaseTimeToLiveRequest)
	switch {
	case !model.Knows(s.request.Message):
		return "that are made of several steps, or are not about keys, leases and users"
	case model.Serializable(op.Request):
		return "serializable"
	case question && !e.allQuoin():
		return "questions for leases to members that may not ask a quorum"
	case op.Outcome == history.Refused:
		if renewal || question || !model.Judges(op.User, op.Error) {
			return "refused, which says nothing of the store"
		}
		s.answer.Error = op.Error
	case op.Outcome == history.Unknown:
		return e.fillUnknown(s, op, complete, granted)
	default:
		e.fillAnswer(s, op)
	}
	return ""
}

func (e *evidence) fillAnswer(s *step, op *history.Operation) {
	revision := eventlog.RevisionOf(op.Response)
	made, changed := e.owners.Made[s.operation]
	if _, unlocked := op.Response.(*v3lockpb.UnlockResponse); unlocked {
		s.answer.Revision = revision
		if changed {
			s.place = 2 * revision
		}
		return
	}
	s.answer.Response = op.Response
	switch op.Request.(type) {
	case *pb.RangeRequest, *pb.PutRequest, *pb.DeleteRangeRequest, *pb.TxnRequest, *pb.CompactionRequest, *pb.LeaseGrantRequest, *pb.LeaseRevokeRequest:
		if s.place = 2*revision + 1; changed && made == revision {
			s.place = 2 * revision
		}
		if _, revoked := op.Request.(*pb.LeaseRevokeRequest); revoked && !changed && revision > e.log.Known() {
			s.place = 0 // whether it deleted keys is not known
		}
	}
}

// fillUnknown says what became of an operation whose client does not know, as far as others have seen it.
func (e *evidence) fillUnknown(s *step, op *history.Operation, complete bool, granted map[int64]time.Duration) string {
	const without = "of unknown outcome that nobody has seen an effect of"
	s.request.Return = never
	s.answer.None = true
	if revision, made := e.owners.Made[s.operation]; made {
		s.place, s.answer = 2*revision, model.Answer{Revision: revision}
		if latest, ok := e.owners.Latest(revision); ok {
			s.request.Return = max(latest, op.Call)
		}
		return ""
	}
	switch r := op.Request.(type) {
	case *pb.LeaseGrantRequest:
		seen, ok := granted[r.ID]
		if r.ID == 0 || !ok {
			return without
		}
		s.answer.None, s.request.Return = false, max(seen, op.Call)
		return ""
	case *pb.RangeRequest, *pb.LeaseKeepAliveRequest, *pb.LeaseTimeToLiveRequest, *pb.AuthStatusRequest, *pb.AuthenticateRequest,
		*pb.AuthUserGetRequest, *pb.AuthUserListRequest, *pb.AuthRoleGetRequest, *pb.AuthRoleListRequest:
		return without
	case *pb.LeaseRevokeRequest: // it may have ended a lease without keys
	case *pb.TxnRequest:
		if complete || !model.Writes(r) {
			return without
		}
	default:
		if complete && eventlog.Mutates(op.Request) {
			return without
		}
	}
	s.optional = true
	return ""
}

// grantsSeen says until when at the latest leases were granted, by when others have seen them.
func (e *evidence) grantsSeen() map[int64]time.Duration {
	seen := map[int64]time.Duration{}
	see := func(id int64, at time.Duration) {
		if last, ok := seen[id]; id != 0 && (!ok || at < last) {
			seen[id] = at
		}
	}
	for i := range e.Operations {
		op := &e.Operations[i]
		if r, ok := op.Request.(*pb.LeaseGrantRequest); ok && op.Error == "etcdserver: lease already exists" {
			see(r.ID, op.Return)
		}
		if op.Outcome != history.OK {
			continue
		}
		switch r := op.Response.(type) {
		case *pb.LeaseKeepAliveResponse:
			if r.TTL > 0 {
				see(r.ID, op.Return)
			}
		case *pb.LeaseTimeToLiveResponse:
			if r.TTL >= 0 {
				see(r.ID, op.Return)
			}
		case *pb.LeaseRevokeResponse:
			see(op.Request.(*pb.LeaseRevokeRequest).ID, op.Return)
		}
	}
	for revision := int64(eventlog.First); revision <= e.log.Last(); revision++ {
		if c := e.log.Change(revision); c != nil {
			for _, event := range c.Events {
				latest, _ := e.owners.Latest(revision)
				see(event.Kv.Lease, latest)
			}
		}
	}
	return seen
}

// unasked are the changes that happened without an operation of their own: ends of leases, parts of locks, and what nobody asked for.
func (e *evidence) unasked() []*step {
	var steps []*step
	for revision := int64(eventlog.First); revision <= e.log.Last(); revision++ {
		owner := e.owners.Of(revision)
		if owner.Operation >= 0 && !owner.Part {
			continue
		}
		latest, _ := e.owners.Latest(revision)
		s := &step{operation: -1, client: -1, place: 2 * revision, answer: model.Answer{Revision: revision}}
		s.request = model.Request{Return: latest}
		if owner.Lease != 0 {
			s.request.Message = &model.Expire{Lease: owner.Lease}
		} else {
			s.request.Message = &model.Foreign{Events: e.log.Change(revision).Events}
		}
		steps = append(steps, s)
	}
	return steps
}

func (e *evidence) allQuoin() bool {
	return !slices.ContainsFunc(e.Members, func(m history.Member) bool { return !strings.HasPrefix(m.Program, "quoin") })
}

// tighten moves the beginnings of steps as far as their places tell: a step happened after all that have an earlier place, so not
// before those were asked for. This takes nothing away, and a search that tries steps in the order of their beginnings then nearly
// always tries the right one first.
func tighten(steps []*step) {
	slices.SortStableFunc(steps, func(a, b *step) int {
		return cmp.Or(cmp.Compare(a.earliest, b.earliest), cmp.Compare(a.request.Return, b.request.Return))
	})
	placed := slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return s.place == 0 })
	slices.SortStableFunc(placed, func(a, b *step) int { return cmp.Compare(a.place, b.place) })
	var before, here time.Duration
	for i, s := range placed {
		if i > 0 && placed[i-1].place != s.place {
			before = here
		}
		here = max(here, s.earliest)
		s.earliest = min(max(s.earliest, before), s.request.Return)
		s.rank = i
	}
}

// text is a step in words.
func (s *step) text() string {
	m, ok := s.request.Message.(proto.Message)
	switch f := s.request.Message.(type) {
	case *model.Expire:
		return fmt.Sprintf("lease %x ends", uint64(f.Lease))
	case *model.Foreign:
		return "changes of others: " + words.Events(f.Events)
	}
	if !ok {
		return "nothing"
	}
	return words.Request(m) + s.result()
}

func (s *step) result() string {
	switch {
	case s.answer.Error != "":
		return " → " + s.answer.Error
	case s.answer.Response != nil:
		return " → " + words.Response(s.answer.Response)
	case s.answer.Revision > 0:
		return fmt.Sprintf(" → unknown, but made revision %d", s.answer.Revision)
	}
	return " → unknown"
}
