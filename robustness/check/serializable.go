package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// serializable holds each answer about keys against the log at the revision that it names, without a search. It is a second judge, and
// the only one of reads that do not ask a quorum.
func serializable(_ context.Context, e *evidence, v *sheet) {
	if len(e.log.Watches) == 0 {
		v.Skipped = "there is no log: no watch of everything was recorded"
		return
	}
	judged, beyond := 0, 0
	for i := range e.Operations {
		op := &e.Operations[i]
		if op.Outcome != history.OK {
			continue
		}
		switch op.Request.(type) {
		case *pb.RangeRequest, *pb.PutRequest, *pb.DeleteRangeRequest, *pb.TxnRequest:
			ok, f := e.holdAnswer(i, op)
			if !ok {
				beyond++
				continue
			}
			judged++
			if f != nil {
				v.find(*f)
			}
		}
	}
	if judged == 0 {
		v.Skipped = fmt.Sprintf("none of %d answers could be held against the log, which ends at revision %d", beyond, e.log.Known())
		return
	}
	v.Judged = fmt.Sprintf("%d answers against %d revisions", judged, e.log.Known()-eventlog.First+1)
	if beyond > 0 {
		v.Judged += fmt.Sprintf("; %d answers are from revisions that the log does not have", beyond)
	}
}

// holdAnswer holds one answer against the log. false: the log does not have its revision.
func (e *evidence) holdAnswer(i int, op *history.Operation) (bool, *history.Finding) {
	revision := eventlog.RevisionOf(op.Response)
	changed, _ := eventlog.Changed(op.Response)
	base := revision
	if changed {
		base--
	}
	keys, known := e.log.Keys(base)
	if asked, ok := op.Request.(*pb.RangeRequest); ok && known && asked.Revision > 0 && asked.Revision <= revision {
		_, known = e.log.Keys(asked.Revision)
	}
	if !known {
		return false, nil
	}
	finding := func(format string, args ...any) (bool, *history.Finding) {
		return true, &history.Finding{Text: fmt.Sprintf(format, args...) + "; " + e.who(i), At: op.Return, Operations: []int{i}}
	}
	state := model.At(base, keys, e.log.Keys).Granted(op.Request)
	request := model.Request{Message: op.Request, Call: op.Call, Return: op.Return}
	if _, err := state.Step(request, model.Answer{Response: op.Response}); err != nil {
		return finding("%s does not fit the log at revision %d: %v", words.Request(op.Request), revision, err)
	}
	if c := e.log.Change(revision); changed && c != nil && !eventlog.Same(state.Events(request), c.Events) {
		return finding("%s was acknowledged at revision %d: expected the changes %s there, found %s", words.Request(op.Request), revision,
			words.Events(state.Events(request)), words.Events(c.Events))
	}
	if maker := e.owners.Of(revision); maker.Operation >= 0 && e.Operations[maker.Operation].Call > op.Return {
		return finding("%s saw revision %d at %s, before that was asked for by %s", words.Request(op.Request), revision, at(op.Return), e.who(maker.Operation))
	}
	return true, nil
}

// realtime holds the revisions of answers against the order of time: nothing is older than what was known before it was asked for.
func realtime(_ context.Context, e *evidence, v *sheet) {
	type sight struct {
		at       time.Duration
		revision int64
		by       int // operation, or -1 - watch
	}
	var seen []sight
	var asked []int
	for i := range e.Operations {
		op := &e.Operations[i]
		revision := eventlog.RevisionOf(op.Response)
		if op.Outcome != history.OK || revision == 0 {
			continue
		}
		seen = append(seen, sight{op.Return, revision, i})
		if ordered(op) {
			asked = append(asked, i)
		}
	}
	for i := range e.Watches {
		for _, h := range e.Watches[i].Heard {
			for _, event := range h.Response.GetEvents() {
				seen = append(seen, sight{h.At, event.GetKv().GetModRevision(), -1 - i})
			}
		}
	}
	slices.SortStableFunc(seen, func(a, b sight) int { return cmp.Compare(a.at, b.at) })
	slices.SortStableFunc(asked, func(a, b int) int { return cmp.Compare(e.Operations[a].Call, e.Operations[b].Call) })
	var known sight
	next := 0
	for _, i := range asked {
		op := &e.Operations[i]
		for ; next < len(seen) && seen[next].at < op.Call; next++ {
			if seen[next].revision > known.revision {
				known = seen[next]
			}
		}
		least := known.revision
		changed, _ := eventlog.Changed(op.Response)
		if changed {
			least++
		}
		if revision := eventlog.RevisionOf(op.Response); revision < least {
			f := history.Finding{At: op.Return, Operations: []int{i}}
			by := ""
			if known.by >= 0 {
				by, f.Operations = e.who(known.by), append(f.Operations, known.by)
			} else {
				by, f.Watches = e.whichWatch(-1-known.by), []int{-1 - known.by}
			}
			f.Text = fmt.Sprintf("%s was answered at revision %d, expected %d or more: %d was known at %s, before it was asked for, to %s; %s",
				words.Request(op.Request), revision, least, known.revision, at(known.at), by, e.who(i))
			v.find(f)
		}
	}
	if len(asked) > 0 {
		v.Judged = fmt.Sprintf("%d answers against %d revisions that were known before", len(asked), len(seen))
	}
}

// ordered tells whether the revision of an answer must be one that is not older than what was known.
func ordered(op *history.Operation) bool {
	switch op.Request.(type) {
	case *pb.RangeRequest, *pb.TxnRequest:
		return !model.Serializable(op.Request)
	case *pb.PutRequest, *pb.DeleteRangeRequest, *pb.CompactionRequest, *pb.LeaseGrantRequest, *pb.LeaseRevokeRequest:
		return true
	}
	return false
}

// asked: every change is one that a client asked for, once, or the end of a lease.
func asked(_ context.Context, e *evidence, v *sheet) {
	if len(e.log.Watches) == 0 {
		v.Skipped = "there is no log: no watch of everything was recorded"
		return
	}
	for _, c := range e.owners.Twice {
		f := history.Finding{Operations: []int{c.Operation}}
		f.At, _ = e.owners.Latest(c.Revision)
		if c.Before == c.Revision {
			other := e.owners.Of(c.Revision).Operation
			f.Operations = append(f.Operations, other)
			f.Text = fmt.Sprintf("expected one request to have made revision %d, found two that were told so: %s; %s", c.Revision, e.who(c.Operation), e.who(other))
		} else {
			f.Text = fmt.Sprintf("expected %s to be done once, found it done at revision %d and again at revision %d; %s",
				words.Request(e.Operations[c.Operation].Request), c.Before, c.Revision, e.who(c.Operation))
		}
		v.find(f)
	}
	for _, revision := range e.owners.Unasked {
		c := e.log.Change(revision)
		v.find(history.Finding{Text: fmt.Sprintf("expected somebody to have asked for revision %d, found nobody: %s, heard at %s by %s",
			revision, words.Events(c.Events), at(c.Heard), e.whichWatch(c.Watch)), At: c.Heard, Watches: []int{c.Watch}})
	}
	if n := e.log.Last() - eventlog.First + 1; n > 0 {
		v.Judged = fmt.Sprintf("%d changes", n)
	}
}
