package check

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// eachWatch judges the watches one by one, and counts events.
func eachWatch(e *evidence, v *sheet, judge func(i int, w *history.Watch)) {
	events := 0
	for i := range e.Watches {
		w := &e.Watches[i]
		for _, h := range w.Heard {
			events += len(h.Response.GetEvents())
		}
		judge(i, w)
	}
	if len(e.Watches) > 0 {
		v.Judged = fmt.Sprintf("%d events of %d watches", events, len(e.Watches))
	}
}

// heard is a finding about a watch.
func (e *evidence) heard(i int, when time.Duration, format string, args ...any) history.Finding {
	return history.Finding{Text: fmt.Sprintf(format, args...) + fmt.Sprintf("; %s, at %s", e.whichWatch(i), at(when)), At: when, Watches: []int{i}}
}

// divergence: the watches of everything, at whichever member, tell the same.
func divergence(_ context.Context, e *evidence, v *sheet) {
	if len(e.log.Watches) == 0 {
		v.Skipped = "there is no log: no watch of everything was recorded"
		return
	}
	for _, d := range e.log.Divergences {
		v.find(history.Finding{At: d.At, Watches: d.Watches[:], Text: fmt.Sprintf("expected one history, found two at revision %d: %s heard %s, %s heard %s",
			d.Revision, e.whichWatch(d.Watches[0]), words.Events(d.Events[0]), e.whichWatch(d.Watches[1]), words.Events(d.Events[1]))})
	}
	if e.log.Last() >= eventlog.First {
		v.Judged = fmt.Sprintf("%d revisions, heard by %d watches of everything", e.log.Last()-eventlog.First+1, len(e.log.Watches))
		if holes := e.log.Holes(); len(holes) > 0 {
			v.Judged += fmt.Sprintf("; nobody has heard of %s", e.missing())
		}
	}
}

// watchOrder: revisions never go back, and what was heard does not come again.
func watchOrder(_ context.Context, e *evidence, v *sheet) {
	eachWatch(e, v, func(i int, w *history.Watch) {
		var last int64
		for _, p := range eventlog.Pieces(w) {
			if p.Revision <= last {
				v.find(e.heard(i, p.At, "expected a revision after %d, found %d: %s", last, p.Revision, words.Events(p.Events)))
			}
			last = max(last, p.Revision)
			seen := map[string]bool{}
			for _, event := range p.Events {
				if key := string(event.Kv.GetKey()); seen[key] {
					v.find(e.heard(i, p.At, "expected one event of %q at revision %d, found two", key, p.Revision))
				} else {
					seen[key] = true
				}
			}
		}
	})
}

// watchAtomic: a revision comes in one response, or in fragments of one if the watch asked for fragments.
func watchAtomic(_ context.Context, e *evidence, v *sheet) {
	eachWatch(e, v, func(i int, w *history.Watch) {
		last := eventlog.Piece{Revision: -1}
		for _, p := range eventlog.Pieces(w) {
			switch {
			case p.Revision == last.Revision && p.Response != last.Response:
				v.find(e.heard(i, p.At, "expected all of revision %d in one response, found %s in one and %s in another one", p.Revision,
					words.Events(last.Events), words.Events(p.Events)))
			case p.Responses > 1 && !w.Request.GetFragment():
				v.find(e.heard(i, p.At, "expected revision %d in one response, found it in %d fragments, which were not asked for", p.Revision, p.Responses))
			}
			last = p
		}
	})
}

// concerns tells which of the events of a revision a watch is to hear of.
func concerns(r *pb.WatchCreateRequest, events []*mvccpb.Event) []*mvccpb.Event {
	key, end := r.GetKey(), r.GetRangeEnd()
	if len(key) == 0 {
		key = []byte{0}
	}
	var out []*mvccpb.Event
	for _, event := range events {
		filtered := false
		for _, f := range r.GetFilters() {
			filtered = filtered || f == pb.WatchCreateRequest_NOPUT && event.Type == mvccpb.Event_PUT || f == pb.WatchCreateRequest_NODELETE && event.Type == mvccpb.Event_DELETE
		}
		if !filtered && model.InRange(event.Kv.Key, key, end) {
			out = append(out, event)
		}
	}
	return out
}

// begin is the first revision that a watch is to hear of, 0 if that is not known.
func begin(w *history.Watch) int64 {
	if start := w.Request.GetStartRevision(); start > 0 {
		return start
	}
	for _, h := range w.Heard {
		if h.Response.GetCreated() {
			return h.Response.GetHeader().GetRevision() + 1
		}
	}
	return 0
}

// nextMissed is the first change from one revision up to another, both included, that a watch was to hear of.
func (e *evidence) nextMissed(w *history.Watch, from, to int64) *eventlog.Change {
	for revision := max(from, eventlog.First); revision <= min(to, e.log.Last()); revision++ {
		if c := e.log.Change(revision); c != nil && len(concerns(w.Request, c.Events)) > 0 {
			return c
		}
	}
	return nil
}

// watchReliable holds what a watch heard against the log, between the first and the last that it heard of.
func watchReliable(_ context.Context, e *evidence, v *sheet) {
	if len(e.log.Watches) == 0 {
		v.Skipped = "there is no log: no watch of everything was recorded"
		return
	}
	eachWatch(e, v, func(i int, w *history.Watch) {
		var last int64
		for _, p := range eventlog.Pieces(w) {
			if last > 0 {
				if c := e.nextMissed(w, last+1, p.Revision-1); c != nil {
					v.find(e.heard(i, p.At, "expected revision %d after %d, found %d: %s was left out", c.Revision, last, p.Revision, words.Events(concerns(w.Request, c.Events))))
				}
			}
			last = max(last, p.Revision)
			if f := e.holdPiece(i, w, p); f != nil {
				v.find(*f)
			}
		}
	})
}

// holdPiece holds one revision of a watch against the log.
func (e *evidence) holdPiece(i int, w *history.Watch, p eventlog.Piece) *history.Finding {
	c := e.log.Change(p.Revision)
	if c == nil {
		return nil // it has happened after the log ends, or in a hole
	}
	if want := concerns(w.Request, c.Events); !p.Cut && !eventlog.Same(want, p.Events) {
		f := e.heard(i, p.At, "expected %s at revision %d, found %s", words.Events(want), p.Revision, words.Events(p.Events))
		return &f
	}
	before, known := e.log.Keys(p.Revision - 1)
	for _, event := range p.Events {
		last, _ := before.Get(string(event.Kv.GetKey()))
		switch {
		case event.PrevKv != nil && !w.Request.GetPrevKv():
			f := e.heard(i, p.At, "expected no previous value of %q at revision %d, since none was asked for, found %s", event.Kv.Key, p.Revision, words.KeyValue(event.PrevKv))
			return &f
		case event.PrevKv != nil && known && !proto.Equal(event.PrevKv, last):
			f := e.heard(i, p.At, "expected the previous value of %q at revision %d to be %s, found %s", event.Kv.Key, p.Revision, words.KeyValue(last), words.KeyValue(event.PrevKv))
			return &f
		case event.PrevKv == nil && w.Request.GetPrevKv() && known && last != nil && !e.compactedBy(p.Revision-1, p.At):
			f := e.heard(i, p.At, "expected the previous value of %q at revision %d, %s, found none", event.Kv.Key, p.Revision, words.KeyValue(last))
			return &f
		}
	}
	return nil
}

// compactedBy tells whether a revision may have been compacted away by a time.
func (e *evidence) compactedBy(revision int64, when time.Duration) bool {
	if e.options.AutoCompaction {
		return true
	}
	for i := range e.Operations {
		op := &e.Operations[i]
		if r, ok := op.Request.(*pb.CompactionRequest); ok && op.Outcome != history.Refused && op.Call <= when && r.Revision > revision {
			return true
		}
	}
	return false
}

// watchResumable: nothing is left out between the beginning of a watch and the first that it hears of, and nothing comes before it.
func watchResumable(_ context.Context, e *evidence, v *sheet) {
	if len(e.log.Watches) == 0 {
		v.Skipped = "there is no log: no watch of everything was recorded"
		return
	}
	judged := 0
	for i := range e.Watches {
		w := &e.Watches[i]
		from, pieces := begin(w), eventlog.Pieces(w)
		if from == 0 || len(pieces) == 0 {
			continue
		}
		judged++
		first := pieces[0]
		if c := e.nextMissed(w, from, first.Revision-1); c != nil {
			v.find(e.heard(i, first.At, "expected revision %d as the first one from %d on, found %d: %s was left out", c.Revision, from, first.Revision,
				words.Events(concerns(w.Request, c.Events))))
		}
		for _, p := range pieces {
			// Without a first revision a watch begins while it is made, and may hear of what happened meanwhile.
			if p.Revision < w.Request.GetStartRevision() {
				v.find(e.heard(i, p.At, "expected nothing before revision %d, found %d", from, p.Revision))
				break
			}
		}
	}
	if judged > 0 {
		v.Judged = fmt.Sprintf("the beginnings of %d watches", judged)
	}
}

// watchProgress: what a progress notification has passed does not come any more, and had come before.
func watchProgress(_ context.Context, e *evidence, v *sheet) {
	notes := 0
	for i := range e.Watches {
		w := &e.Watches[i]
		next := begin(w) // the first revision that the watch has not heard of
		var promised int64
		for _, h := range w.Heard {
			r := h.Response
			for _, event := range r.GetEvents() {
				revision := event.GetKv().GetModRevision()
				if revision <= promised {
					v.find(e.heard(i, h.At, "expected nothing up to revision %d, as a progress notification said, found %d", promised, revision))
				}
				next = max(next, revision+1)
			}
			if len(r.GetEvents()) > 0 || r.GetCreated() || r.GetCanceled() {
				continue
			}
			notes++
			progress := r.GetHeader().GetRevision()
			if c := e.nextMissed(w, next, progress); c != nil && next > 0 {
				v.find(e.heard(i, h.At, "expected progress up to %d at most, found %d, before revision %d was told: %s", c.Revision-1, progress, c.Revision,
					words.Events(concerns(w.Request, c.Events))))
			}
			promised = max(promised, progress)
			next = max(next, progress+1)
		}
	}
	if notes > 0 {
		v.Judged = fmt.Sprintf("%d progress notifications", notes)
	}
}

// watchCancel: the end of a watch comes with its reason, or with the revision of a compaction that somebody has asked for.
func watchCancel(_ context.Context, e *evidence, v *sheet) {
	ended := 0
	for i := range e.Watches {
		w := &e.Watches[i]
		next := begin(w)
		for _, h := range w.Heard {
			for _, event := range h.Response.GetEvents() {
				next = max(next, event.GetKv().GetModRevision()+1)
			}
			if !h.Response.GetCanceled() {
				continue
			}
			ended++
			switch compact := h.Response.GetCompactRevision(); {
			case compact == 0 && h.Response.GetCancelReason() == "" && w.Error != "":
				v.find(e.heard(i, h.At, "expected a reason why the watch was ended, found none"))
			case compact == 0:
			case next >= compact:
				v.find(e.heard(i, h.At, "expected the watch to go on at revision %d, which is there, found it ended by the compaction of revision %d", next, compact))
			case !e.compactedAt(compact, h.At):
				v.find(e.heard(i, h.At, "expected the revision of a compaction that was asked for, found %d", compact))
			}
		}
	}
	if ended > 0 {
		v.Judged = fmt.Sprintf("%d watches that were ended by a member", ended)
	}
}

// compactedAt tells whether somebody has asked for the compaction of a revision by a time.
func (e *evidence) compactedAt(revision int64, when time.Duration) bool {
	if e.options.AutoCompaction {
		return true
	}
	for i := range e.Operations {
		op := &e.Operations[i]
		if r, ok := op.Request.(*pb.CompactionRequest); ok && op.Outcome != history.Refused && op.Call <= when && r.Revision == revision {
			return true
		}
	}
	return false
}

// watchDelivery: a watch of everything that was open long enough after a change has heard of it.
func watchDelivery(_ context.Context, e *evidence, v *sheet) {
	var healed time.Duration // nothing is wrong after that
	for _, f := range e.Faults {
		if f.Healed == 0 {
			f.Healed = e.Duration
		}
		healed = max(healed, f.Healed)
	}
	open := 0
	for _, i := range e.log.Watches {
		w := &e.Watches[i]
		if w.Closed < e.Loaded || w.Error != "" {
			continue
		}
		open++
		last := max(begin(w), eventlog.First) - 1
		for _, p := range eventlog.Pieces(w) {
			last = max(last, p.Revision)
		}
		for revision := last + 1; revision <= e.log.Last(); revision++ {
			made, _ := e.owners.Latest(revision)
			if due := max(made, healed, w.Opened) + e.options.Delivery; due < w.Closed {
				v.find(e.heard(i, w.Closed, "expected to hear by %s of revision %d, which was made by %s, found that the watch ended at %s and had heard up to %d",
					at(due), revision, at(made), at(w.Closed), last))
				break
			}
		}
	}
	if open > 0 {
		v.Judged = fmt.Sprintf("%d watches of everything that were open at the end, up to revision %d", open, e.log.Last())
	}
}
