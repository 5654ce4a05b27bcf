package eventlog

import (
	"cmp"
	"slices"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/v3lockpb"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
)

// Owner says who made a change.
type Owner struct {
	// Operation is the index of the one that asked for it, -1 for none.
	Operation int
	// Lease, if set, is one that ended.
	Lease int64
	// Part says that the change is only a part of what was asked for, as when a lock takes its key and then waits.
	Part bool
}

// Nobody owns a change that nobody has asked for.
var Nobody = Owner{Operation: -1}

// Claim is what does not fit: another change of a request that has made one already.
type Claim struct {
	Revision  int64
	Operation int
	// Before is the revision of the change that it has made.
	Before int64
}

// Owners says who made which change.
type Owners struct {
	log    *Log
	record *history.Record
	owner  []Owner // by revision, from First on
	at     []time.Duration
	// Made are the revisions of operations that have made a change, those of unknown outcome included.
	Made map[int]int64
	// Twice are changes of a request that has made one already, and acknowledged ones at a revision that is another's.
	Twice []Claim
	// Unasked are revisions that nobody has asked for.
	Unasked []int64

	byValue map[string][]int // operations by a key and a value that they may put
	deletes []int            // operations of unknown effect that may delete, in the order of their calls
	locks   map[string][]int // by the key of the lock
	leases  map[int64]*sighting
}

// sighting is what operations have said about a lease.
type sighting struct {
	ttl time.Duration
	// renewals are those that were answered.
	renewals []*history.Operation
	// alive is until when it was seen to be there.
	alive time.Duration
}

// Own finds out who made the changes of a log.
func Own(r *history.Record, l *Log) *Owners {
	o := &Owners{
		log: l, record: r, Made: map[int]int64{}, byValue: map[string][]int{}, locks: map[string][]int{}, leases: map[int64]*sighting{},
		owner: make([]Owner, len(l.changes)),
	}
	for i := range o.owner {
		o.owner[i] = Nobody
	}
	o.acknowledged()
	o.times()
	o.prepare()
	for i := range l.changes {
		if c := &l.changes[i]; c.Events != nil && o.owner[i] == Nobody {
			o.find(c)
		}
	}
	return o
}

// Of says who made a revision.
func (o *Owners) Of(revision int64) Owner {
	if revision < First || revision-First >= int64(len(o.owner)) {
		return Nobody
	}
	return o.owner[revision-First]
}

// Latest is when a revision was made, at the latest: somebody had heard of it, or of a later one. false: it is not in the log.
func (o *Owners) Latest(revision int64) (time.Duration, bool) {
	if revision < First || revision-First >= int64(len(o.at)) {
		return 0, false
	}
	return o.at[revision-First], true
}

// acknowledged gives the changes to those who were told so.
func (o *Owners) acknowledged() {
	for i := range o.record.Operations {
		op := &o.record.Operations[i]
		changed, certain := Changed(op.Response)
		if op.Outcome != history.OK || !changed || !certain {
			continue
		}
		revision := RevisionOf(op.Response)
		o.Made[i] = revision
		if revision < First || revision > o.log.Last() {
			continue
		}
		if at := &o.owner[revision-First]; *at == Nobody {
			*at = Owner{Operation: i}
		} else {
			o.Twice = append(o.Twice, Claim{revision, i, revision})
		}
	}
}

// times finds out when each revision was made at the latest.
func (o *Owners) times() {
	o.at = make([]time.Duration, len(o.log.changes))
	for i := range o.at {
		o.at[i] = o.record.Duration + time.Hour
		if c := &o.log.changes[i]; c.Events != nil {
			o.at[i] = c.Heard
		}
	}
	for i := range o.record.Operations {
		op := &o.record.Operations[i]
		if at := RevisionOf(op.Response) - First; op.Outcome == history.OK && at >= 0 && at < int64(len(o.at)) {
			o.at[at] = min(o.at[at], op.Return)
		}
	}
	for i := len(o.at) - 2; i >= 0; i-- {
		o.at[i] = min(o.at[i], o.at[i+1])
	}
}

// prepare sorts the operations by what they may have done.
func (o *Owners) prepare() {
	for i := range o.record.Operations {
		op := &o.record.Operations[i]
		o.seeLease(op)
		if op.Outcome == history.Refused {
			continue
		}
		puts(op.Request, func(p *pb.PutRequest) {
			key := valueKey(p.Key, p.Value)
			o.byValue[key] = append(o.byValue[key], i)
		})
		if r, ok := op.Request.(*v3lockpb.LockRequest); ok {
			answer, _ := op.Response.(*v3lockpb.LockResponse)
			if key := lockKey(r, answer); key != "" {
				o.locks[key] = append(o.locks[key], i)
			}
			continue
		}
		if _, certain := Changed(op.Response); Mutates(op.Request) && (op.Outcome == history.Unknown || !certain) {
			o.deletes = append(o.deletes, i)
		}
	}
	slices.SortStableFunc(o.deletes, func(a, b int) int { return cmp.Compare(o.record.Operations[a].Call, o.record.Operations[b].Call) })
}

// seeLease notes what an operation says about a lease.
func (o *Owners) seeLease(op *history.Operation) {
	if op.Outcome != history.OK {
		return
	}
	var id, ttl int64
	switch r := op.Request.(type) {
	case *pb.LeaseGrantRequest:
		answer, _ := op.Response.(*pb.LeaseGrantResponse)
		id, ttl = answer.GetID(), answer.GetTTL()
	case *pb.LeaseKeepAliveRequest:
		answer, _ := op.Response.(*pb.LeaseKeepAliveResponse)
		id, ttl = r.ID, answer.GetTTL()
	case *pb.LeaseRevokeRequest:
		id = r.ID
	case *pb.PutRequest:
		id = r.Lease
	}
	if id == 0 {
		return
	}
	if o.leases[id] == nil {
		o.leases[id] = new(sighting)
	}
	l := o.leases[id]
	if l.ttl = max(l.ttl, time.Duration(ttl)*time.Second); ttl > 0 {
		l.renewals = append(l.renewals, op)
	}
	if _, renewed := op.Request.(*pb.LeaseKeepAliveRequest); !renewed || ttl > 0 {
		l.alive = max(l.alive, op.Call)
	}
}

// mayHaveEnded tells whether the time of a lease may have been over when a change was made, and whether nobody has seen it since.
func (o *Owners) mayHaveEnded(id int64, c *Change) bool {
	l, latest := o.leases[id], o.at[c.Revision-First]
	if l == nil {
		return true
	}
	for _, r := range l.renewals { // one that was answered was before the end, whenever the answer came
		if r.Call+l.ttl > latest {
			return false
		}
	}
	return l.alive <= latest
}

func valueKey(key, value []byte) string { return string(key) + "\x00=" + string(value) }

// find looks for who has made a change that nobody was told of.
func (o *Owners) find(c *Change) {
	if o.byPut(c) || o.byLock(c) || o.byDelete(c) {
		return
	}
	o.Unasked = append(o.Unasked, c.Revision)
}

func (o *Owners) give(c *Change, owner Owner) bool {
	o.owner[c.Revision-First] = owner
	if owner.Operation >= 0 && !owner.Part {
		o.Made[owner.Operation] = c.Revision
	}
	return true
}

// byPut looks for an operation that wanted to put one of the values. Values are put by one operation only.
func (o *Owners) byPut(c *Change) bool {
	var candidates []int
	for _, e := range c.Events {
		if e.Type == mvccpb.Event_PUT {
			candidates = append(candidates, o.byValue[valueKey(e.Kv.Key, e.Kv.Value)]...)
		}
	}
	for _, i := range candidates {
		if _, made := o.Made[i]; !made && o.could(i, c) {
			return o.give(c, Owner{Operation: i})
		}
	}
	if o.byShape(c) {
		return true
	}
	for _, i := range candidates {
		if before, made := o.Made[i]; made {
			o.Twice = append(o.Twice, Claim{c.Revision, i, before})
			return o.give(c, Owner{Operation: i, Part: true})
		}
	}
	return false
}

// byShape looks for an operation whose values do not tell, such as one that keeps the value.
func (o *Owners) byShape(c *Change) bool {
	for _, i := range o.deletes {
		if _, made := o.Made[i]; !made && len(c.Events) > 0 && c.Events[0].Type == mvccpb.Event_PUT && o.couldExactly(i, c) {
			return o.give(c, Owner{Operation: i})
		}
	}
	return false
}

// could tells whether an operation of unknown outcome may have made a change: it was asked for by then, and comes to these events.
func (o *Owners) could(i int, c *Change) bool {
	if _, known := o.log.Keys(c.Revision - 1); !known {
		return o.record.Operations[i].Call <= o.at[c.Revision-First]
	}
	return o.couldExactly(i, c)
}

func (o *Owners) couldExactly(i int, c *Change) bool {
	op := &o.record.Operations[i]
	keys, known := o.log.Keys(c.Revision - 1)
	if !known || op.Call > o.at[c.Revision-First] {
		return false
	}
	request := op.Request
	if r, ok := request.(*v3lockpb.UnlockRequest); ok {
		request = &pb.DeleteRangeRequest{Key: r.Key}
	}
	// Whether leases existed is not known here; if not, the operation has changed nothing, and nothing would be found.
	state := model.At(c.Revision-1, keys, o.log.Keys).Granted(request)
	return Same(state.Events(model.Request{Message: request}), c.Events)
}

// byLock looks for a lock, which takes its key before it waits and gives it back when it gives up.
func (o *Owners) byLock(c *Change) bool {
	if len(c.Events) != 1 {
		return false
	}
	e := c.Events[0]
	for _, i := range o.locks[string(e.Kv.Key)] {
		op := &o.record.Operations[i]
		if op.Call > o.at[c.Revision-First] {
			continue
		}
		if e.Type == mvccpb.Event_PUT {
			return o.give(c, Owner{Operation: i, Part: true})
		}
		ended := o.endedLease(c)
		if op.Outcome == history.Unknown && !o.otherwise(c) && (ended == 0 || !o.mayHaveEnded(ended, c)) {
			return o.give(c, Owner{Operation: i, Part: true})
		}
	}
	return false
}

// otherwise tells whether there is another operation that may have made a change.
func (o *Owners) otherwise(c *Change) bool {
	return slices.ContainsFunc(o.deletes, func(i int) bool {
		_, made := o.Made[i]
		return !made && o.couldExactly(i, c)
	})
}

// byDelete looks for who has deleted: a lease that ended, or an operation of unknown outcome. A lease that is seen later has not ended.
func (o *Owners) byDelete(c *Change) bool {
	for _, e := range c.Events {
		if e.Type != mvccpb.Event_DELETE {
			return false
		}
	}
	ended := o.endedLease(c)
	revokedBy := -1
	for _, i := range o.deletes {
		if _, made := o.Made[i]; made || !o.couldExactly(i, c) {
			continue
		}
		op := &o.record.Operations[i]
		r, revokes := op.Request.(*pb.LeaseRevokeRequest)
		switch answered := RevisionOf(op.Response); {
		case answered != 0 && answered != c.Revision:
		case revokes && r.ID == ended:
			revokedBy = i
		case answered == c.Revision, ended == 0, !o.mayHaveEnded(ended, c):
			return o.give(c, Owner{Operation: i})
		}
	}
	switch {
	case revokedBy >= 0:
		return o.give(c, Owner{Operation: revokedBy, Lease: ended})
	case ended != 0:
		return o.give(c, Owner{Operation: -1, Lease: ended})
	case !o.knownBefore(c):
		return o.give(c, Owner{Operation: -1, Part: true}) // behind a hole nobody can tell
	}
	return false
}

func (o *Owners) knownBefore(c *Change) bool {
	_, known := o.log.Keys(c.Revision - 1)
	return known
}

// endedLease is the lease whose keys, all of them and no others, were deleted; 0 for none.
func (o *Owners) endedLease(c *Change) int64 {
	before, known := o.log.Keys(c.Revision - 1)
	if !known {
		return 0
	}
	var id int64
	deleted := map[string]bool{}
	for i, e := range c.Events {
		kv, _ := before.Get(string(e.Kv.Key))
		if e.Type != mvccpb.Event_DELETE || kv.GetLease() == 0 || i > 0 && kv.Lease != id {
			return 0
		}
		id = kv.Lease
		deleted[string(e.Kv.Key)] = true
	}
	all := true
	before.From("", func(key string, kv *mvccpb.KeyValue) bool {
		all = kv.Lease != id || deleted[key]
		return all
	})
	if !all {
		return 0
	}
	return id
}
