package workload

import (
	"bytes"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

// Kubernetes does what an API server does to its store: objects are created, changed and deleted under the condition that they are as
// they were read; lists are read in pages of one revision; informers list, and watch from there; events end with leases; and the past
// is compacted every few seconds.
type Kubernetes struct {
	// Writers is how many clients change objects; 0: 6. Informers is how many list and watch; 0: 2.
	Writers, Informers int
	// Rate is how many calls each writer makes a second; 0: 25. CompactRate is how often it is compacted in a second; 0: 0.25.
	Rate, CompactRate float64
}

// Name is "kubernetes".
func (Kubernetes) Name() string { return "kubernetes" }

const (
	registry   = "/registry/"
	podPrefix  = registry + "pods/"
	eventsPath = registry + "events/"
	compactKey = "compact_rev_key"
	namespaces = 3
	pods       = 8 // in each namespace
	pageLimit  = 5
	maxPages   = 20
	// An object has so many bytes.
	leastBytes, mostBytes = 500, 2000
	// eventTTL is how long events live, in seconds. A lease is that of so many events.
	eventTTL       = 10
	eventsPerLease = 10
	// retries is how often a change is tried again with what made it fail.
	retries = 3
)

func (k Kubernetes) bodies() []body {
	all := paced(or(k.Writers, 6), or(k.Rate, 25), func(c *client, _ int) {
		w := &apiServer{client: c, objects: map[string]*mvccpb.KeyValue{}}
		for c.next() {
			w.step()
		}
	})
	all = append(all, paced(or(k.Informers, 2), 5, func(c *client, _ int) {
		f := &informer{client: c}
		for c.next() {
			f.round()
		}
	})...)
	return append(all, paced(1, 3*or(k.CompactRate, 0.25), func(c *client, _ int) { c.compactAsPlanned() })...)
}

// apiServer is one client that changes objects, with what it knows of them. What it does not know is not there, as far as it can tell.
type apiServer struct {
	*client
	objects map[string]*mvccpb.KeyValue
	events  int64 // the lease of events
	used    int   // how many events it has
}

func (s *apiServer) step() {
	key := fmt.Sprintf("%sns-%d/pod-%d", podPrefix, s.random.IntN(namespaces), s.random.IntN(pods))
	switch n := s.random.IntN(20); {
	case n < 10:
		s.change(key, s.putObject)
	case n < 12:
		s.change(key, deleteObject)
	case n < 15:
		if a, err := s.read(getRequest(key)); err == nil {
			s.learn(key, a)
		}
	case n < 17:
		_, _ = s.list(fmt.Sprintf("%sns-%d/", podPrefix, s.random.IntN(namespaces)))
	default:
		s.event()
	}
}

// change makes a change of what it knows of an object, and again of what it is told when that was wrong.
func (s *apiServer) change(key string, what func(key string, old *mvccpb.KeyValue) *pb.RequestOp) {
	for range retries {
		old := s.objects[key]
		op := what(key, old)
		if op == nil {
			return
		}
		a, err := s.txn(guarded(key, compareModRevision(key, old.GetModRevision()), op))
		switch {
		case err != nil:
			return
		case !a.Succeeded && len(a.Responses) > 0:
			s.learn(key, a.Responses[0].GetResponseRange())
		default:
			s.changed(key, op, a.Header)
			return
		}
		if !s.next() {
			return
		}
	}
}

func (s *apiServer) putObject(key string, _ *mvccpb.KeyValue) *pb.RequestOp {
	return putOp(putRequest(key, s.object()))
}

func deleteObject(key string, old *mvccpb.KeyValue) *pb.RequestOp {
	if old == nil {
		return nil
	}
	return deleteOp(&pb.DeleteRangeRequest{Key: []byte(key), PrevKv: true})
}

// object is a value like no other, of the size of an object.
func (s *apiServer) object() string {
	name := s.value()
	filling := bytes.Repeat([]byte{'.'}, leastBytes+s.random.IntN(mostBytes-leastBytes)-len(name))
	return name + string(filling)
}

func (s *apiServer) learn(key string, a *pb.RangeResponse) {
	delete(s.objects, key)
	if len(a.GetKvs()) > 0 {
		s.objects[key] = a.Kvs[0]
	}
}

func (s *apiServer) changed(key string, op *pb.RequestOp, h *pb.ResponseHeader) {
	delete(s.objects, key)
	if put := op.GetRequestPut(); put != nil {
		s.objects[key] = &mvccpb.KeyValue{Key: put.Key, Value: put.Value, ModRevision: h.GetRevision()}
	}
}

// event writes one that ends by itself.
func (s *apiServer) event() {
	if s.events == 0 || s.used >= eventsPerLease {
		s.events, s.used = 0, 0
		id := s.lease()
		if _, err := s.grant(id, eventTTL); err != nil || !s.next() {
			return
		}
		s.events = id
	}
	s.used++
	name := s.value()
	r := putRequest(fmt.Sprintf("%sns-%d/%s", eventsPath, s.random.IntN(namespaces), name), name)
	r.Lease = s.events
	if _, err := s.txn(guarded(string(r.Key), compareModRevision(string(r.Key), 0), putOp(r))); err != nil {
		s.events = 0 // it may be gone
	}
}

// list reads what has a prefix, in pages of the revision of the first, and returns that revision. It is false when it has not seen all.
func (c *client) list(prefix string) (revision int64, all bool) {
	r := prefixRequest(prefix)
	for range maxPages {
		r.Limit = pageLimit
		a, err := c.read(r)
		if err != nil {
			return 0, false
		}
		if revision == 0 {
			revision = a.Header.GetRevision()
		}
		if !a.More || len(a.Kvs) == 0 {
			return revision, true
		}
		r = proto.CloneOf(r)
		r.Key = append(bytes.Clone(a.Kvs[len(a.Kvs)-1].Key), 0)
		r.Revision = revision
		if !c.next() {
			return 0, false
		}
	}
	return 0, false
}

// compactAsPlanned lets one of several compact: whoever raises a counter that is compared compacts to where the head was last time.
func (c *client) compactAsPlanned() {
	var times, head int64
	for c.next() {
		r := guarded(compactKey, compareVersion(compactKey, times), putOp(putRequest(compactKey, strconv.FormatInt(head, 10)+" "+c.value())))
		a, err := c.txn(r)
		if err != nil || !c.next() {
			continue
		}
		if !a.Succeeded {
			times = 0
			if len(a.Responses) > 0 && len(a.Responses[0].GetResponseRange().GetKvs()) > 0 {
				times = a.Responses[0].GetResponseRange().Kvs[0].Version
			}
			continue
		}
		if times++; head > 0 {
			_, _ = c.compact(compactionAt(head))
		}
		head = a.Header.GetRevision()
	}
}
