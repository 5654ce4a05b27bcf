package check

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
)

// renewal is a time from which on a lease lives again for its TTL.
type renewal struct {
	call, done time.Duration
	answered   bool
	operation  int
}

// sign is something that shows a lease alive, or gone.
type sign struct {
	call, done time.Duration
	operation  int   // -1 for the end of a lease in the log
	revision   int64 // of that end
	what       string
}

// life is all that is known of one lease.
type life struct {
	id       int64
	ttl      time.Duration
	renewals []renewal
	revokes  []renewal
	alive    []sign
	gone     []sign
}

// lateness is how much longer than its TTL a lease may live when nothing is wrong: an election, and the steps in which ends are found.
const lateness = 10 * time.Second

// leases holds each lease against its time.
func leases(_ context.Context, e *evidence, v *sheet) {
	lives := e.lives()
	renewals := 0
	for _, id := range slices.Sorted(maps.Keys(lives)) {
		l := lives[id]
		renewals += len(l.renewals)
		if l.ttl == 0 {
			continue // nobody knows that it was granted
		}
		e.notTooShort(l, v)
		e.notTooLong(l, v)
		e.notAfterItsEnd(l, v)
		e.keysGone(l, v)
	}
	if len(lives) > 0 {
		v.Judged = fmt.Sprintf("%d leases, begun or renewed %d times", len(lives), renewals)
	}
}

func (e *evidence) lives() map[int64]*life {
	lives := map[int64]*life{}
	of := func(id int64) *life {
		if lives[id] == nil {
			lives[id] = &life{id: id}
		}
		return lives[id]
	}
	for i := range e.Operations {
		e.collect(i, &e.Operations[i], of)
	}
	for revision := int64(eventlog.First); revision <= e.log.Last(); revision++ {
		if owner := e.owners.Of(revision); owner.Lease != 0 && owner.Operation < 0 {
			latest, _ := e.owners.Latest(revision)
			l := of(owner.Lease)
			l.gone = append(l.gone, sign{latest, latest, -1, revision, fmt.Sprintf("its keys were deleted at revision %d", revision)})
		}
	}
	return lives
}

// collect notes what an operation says about a lease.
func (e *evidence) collect(i int, op *history.Operation, of func(int64) *life) {
	answered := op.Outcome == history.OK
	at := renewal{op.Call, op.Return, answered, i}
	seen := func(what string) sign { return sign{op.Call, op.Return, i, 0, what} }
	switch r := op.Request.(type) {
	case *pb.LeaseGrantRequest:
		answer, _ := op.Response.(*pb.LeaseGrantResponse)
		if id := cmp.Or(answer.GetID(), r.ID); id != 0 && op.Outcome != history.Refused {
			l := of(id)
			l.ttl = max(l.ttl, time.Duration(max(answer.GetTTL(), r.TTL, model.MinTTL))*time.Second)
			l.renewals = append(l.renewals, at)
		}
	case *pb.LeaseKeepAliveRequest:
		answer, _ := op.Response.(*pb.LeaseKeepAliveResponse)
		switch l := of(r.ID); {
		case answered && answer.GetTTL() > 0:
			l.renewals = append(l.renewals, at)
			l.alive = append(l.alive, seen("it was renewed"))
		case answered:
			l.gone = append(l.gone, seen("a renewal was answered with TTL 0"))
		case op.Outcome == history.Unknown:
			l.renewals = append(l.renewals, at)
		}
	case *pb.LeaseTimeToLiveRequest:
		answer, _ := op.Response.(*pb.LeaseTimeToLiveResponse)
		switch l := of(r.ID); {
		case answered && answer.GetTTL() >= 0:
			l.alive = append(l.alive, seen(fmt.Sprintf("%d s of it were left", answer.GetTTL())))
		case answered:
			l.gone = append(l.gone, seen("its time to live was answered with -1"))
		}
	case *pb.LeaseRevokeRequest:
		switch l := of(r.ID); {
		case op.Outcome != history.Refused:
			l.revokes = append(l.revokes, at)
		case op.Error == leaseNotFound:
			l.gone = append(l.gone, seen("it was not found to be revoked"))
		}
	case *pb.PutRequest:
		if r.Lease != 0 && op.Error == leaseNotFound {
			of(r.Lease).gone = append(of(r.Lease).gone, seen("it was not found to put a key on it"))
		}
	}
}

const leaseNotFound = "etcdserver: requested lease not found"

// notTooShort: a lease that nobody revokes is not gone before its time is over, counted from when its last renewal was asked for.
func (e *evidence) notTooShort(l *life, v *sheet) {
	for _, s := range l.gone {
		if slices.ContainsFunc(l.revokes, func(r renewal) bool { return r.call <= s.done }) {
			continue
		}
		last, ok := l.lastAnswered(s.call)
		if !ok || s.done >= last.call+l.ttl {
			continue
		}
		v.find(e.leaseFinding(l, s.done, []int{last.operation, s.operation}, "expected it to live for %v from %s on, when its last renewal was asked for, found at %s that %s",
			l.ttl, at(last.call), at(s.done), s.what))
	}
	if first, ok := l.granted(); ok { // before it was granted it can not be gone
		l.gone = slices.DeleteFunc(l.gone, func(s sign) bool { return s.call < first.call })
	}
}

// lastAnswered is the last renewal that was answered before a time.
func (l *life) lastAnswered(before time.Duration) (last renewal, ok bool) {
	for _, r := range l.renewals {
		if r.answered && r.done <= before && (!ok || r.call > last.call) {
			last, ok = r, true
		}
	}
	return last, ok
}

func (l *life) granted() (renewal, bool) {
	if len(l.renewals) == 0 {
		return renewal{}, false
	}
	return slices.MinFunc(l.renewals, func(a, b renewal) int { return cmp.Compare(a.call, b.call) }), true
}

// notTooLong: a lease that nobody renews any more ends. A change of the leader begins its time again, so it counts from the last fault.
func (e *evidence) notTooLong(l *life, v *sheet) {
	see := slices.Clone(l.alive)
	for _, s := range l.gone {
		if s.operation < 0 { // until then it was there
			see = append(see, s)
		}
	}
	for _, s := range see {
		due := e.due(l, s.call)
		if s.what == "it was renewed" || s.call <= due {
			continue
		}
		v.find(e.leaseFinding(l, s.call, []int{s.operation}, "expected it to be over by %s, found at %s that %s", at(due), at(s.call), s.what))
		return
	}
	if keys, known := e.log.Keys(e.log.Last()); known && e.Duration > e.due(l, e.Duration) {
		if key := keyOf(keys, l.id); key != "" {
			v.find(e.leaseFinding(l, e.Duration, nil, "expected it to be over by %s, found its key %q at the end of the run, at %s", at(e.due(l, e.Duration)), key, at(e.Duration)))
		}
	}
}

// due is by when a lease must be over, as seen from a time.
func (e *evidence) due(l *life, seen time.Duration) time.Duration {
	var from time.Duration
	for _, r := range l.renewals {
		if r.call < seen {
			from = max(from, r.done)
		}
	}
	for _, f := range e.Faults {
		switch {
		case f.Injected > seen:
		case f.Healed == 0 || f.Healed > seen:
			from = max(from, seen)
		default:
			from = max(from, f.Healed)
		}
	}
	return from + l.ttl + lateness
}

// notAfterItsEnd: once a revoke was acknowledged, nobody finds the lease any more.
func (e *evidence) notAfterItsEnd(l *life, v *sheet) {
	for _, r := range l.revokes {
		if !r.answered {
			continue
		}
		for _, s := range l.alive {
			regranted := slices.ContainsFunc(l.renewals, func(g renewal) bool {
				_, is := e.Operations[g.operation].Request.(*pb.LeaseGrantRequest)
				return is && g.done > r.call && g.call < s.done
			})
			if s.call > r.done && !regranted {
				v.find(e.leaseFinding(l, s.done, []int{r.operation, s.operation}, "expected it to be gone since %s, when its end was acknowledged, found at %s that %s", at(r.done), at(s.done), s.what))
				return
			}
		}
	}
}

// keysGone: a lease that has ended has no keys.
func (e *evidence) keysGone(l *life, v *sheet) {
	keys, known := e.log.Keys(e.log.Last())
	if !known {
		return
	}
	ended := false
	for _, r := range l.revokes {
		ended = ended || r.answered && !slices.ContainsFunc(l.renewals, func(g renewal) bool { return g.done > r.call })
	}
	if key := keyOf(keys, l.id); ended && key != "" {
		v.find(e.leaseFinding(l, e.Duration, []int{l.revokes[0].operation}, "expected its keys to be gone since it was revoked, found %q at the end", key))
	}
}

func keyOf(keys model.Keys, id int64) string {
	found := ""
	keys.From("", func(key string, kv *mvccpb.KeyValue) bool {
		if kv.Lease == id {
			found = key
		}
		return found == ""
	})
	return found
}

func (e *evidence) leaseFinding(l *life, when time.Duration, operations []int, format string, args ...any) history.Finding {
	return history.Finding{
		Text: fmt.Sprintf("lease %x: ", uint64(l.id)) + fmt.Sprintf(format, args...), At: when,
		Operations: slices.DeleteFunc(operations, func(i int) bool { return i < 0 }),
	}
}
