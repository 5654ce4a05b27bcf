package workload

import (
	"fmt"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

// Mixed reads and writes a few keys in every way that there is, with values that are never written twice.
type Mixed struct {
	// Clients is how many there are; 0: 8. Keys is how many keys they share; 0: 8, at least 3. Rate is how many calls each makes a
	// second; 0: 30.
	Clients, Keys int
	Rate          float64
}

// Name is "mixed".
func (Mixed) Name() string { return "mixed" }

func (k Mixed) bodies() []body {
	return paced(or(k.Clients, 8), or(k.Rate, 30), func(c *client, _ int) {
		m := &mixed{client: c, keys: max(mostOps, or(k.Keys, 8)), seen: map[string]*mvccpb.KeyValue{}}
		for c.next() {
			m.step()
		}
	})
}

const (
	mixedPrefix = "mixed/"
	// mostOps is how many operations a branch of a transaction has. Each takes a key of its own: those that are changed twice in a
	// transaction are refused.
	mostOps = 3
	// maxPast is how far back reads of the past look, in revisions.
	maxPast = 40
)

// mixed is one client of a mixed load, with what it has seen last: it makes comparisons that may hold.
type mixed struct {
	*client
	keys int
	seen map[string]*mvccpb.KeyValue
	head int64
}

func (m *mixed) step() {
	switch n := m.random.IntN(20); {
	case n < 5:
		m.change()
	case n < 7:
		m.forget()
	case n < 12:
		m.readOnce()
	case n < 14:
		m.present()
	default:
		m.transaction()
	}
}

func (m *mixed) key() string { return fmt.Sprint(mixedPrefix, "k", m.random.IntN(m.keys)) }

// learn remembers what a read has shown of its keys.
func (m *mixed) learn(r *pb.RangeRequest, kvs []*mvccpb.KeyValue) {
	if r.CountOnly || r.KeysOnly || r.Revision != 0 {
		return
	}
	if len(r.RangeEnd) == 0 {
		delete(m.seen, string(r.Key))
	}
	for _, kv := range kvs {
		m.seen[string(kv.Key)] = kv
	}
}

func (m *mixed) know(h *pb.ResponseHeader) { m.head = max(m.head, h.GetRevision()) }

// wrote remembers a value; what else there is to know of the key is as it was.
func (m *mixed) wrote(r *pb.PutRequest, h *pb.ResponseHeader) {
	kv := &mvccpb.KeyValue{Key: r.Key, Value: r.Value, ModRevision: h.GetRevision(), Version: 1, CreateRevision: h.GetRevision()}
	if old := m.seen[string(r.Key)]; old != nil {
		kv.Version, kv.CreateRevision = old.Version+1, old.CreateRevision
	}
	m.seen[string(r.Key)] = kv
}

func (m *mixed) change() {
	r := putRequest(m.key(), m.value())
	r.PrevKv = m.chance(3)
	r.IgnoreLease = m.seen[string(r.Key)] != nil && m.chance(12)
	if a, err := m.put(r); err == nil {
		m.know(a.Header)
		m.wrote(r, a.Header)
	}
}

func (m *mixed) forget() {
	r := &pb.DeleteRangeRequest{Key: []byte(m.key()), PrevKv: m.chance(2)}
	if m.chance(10) {
		r.Key, r.RangeEnd = []byte(mixedPrefix), prefixEnd(mixedPrefix)
	}
	if a, err := m.remove(r); err == nil {
		m.know(a.Header)
		if len(r.RangeEnd) > 0 {
			clear(m.seen)
		}
		delete(m.seen, string(r.Key))
	}
}

func (m *mixed) readOnce() {
	r := m.interval()
	r.Serializable = m.chance(4)
	if m.chance(6) && m.head > 0 {
		r.Revision = max(1, m.head-m.random.Int64N(maxPast))
		if m.chance(20) {
			r.Revision = m.head + 1_000_000 // there is no such revision
		}
	}
	if a, err := m.read(r); err == nil {
		m.know(a.Header)
		m.learn(r, a.Kvs)
	}
}

// present reads everything as it is, so that there is something to compare with.
func (m *mixed) present() {
	r := prefixRequest(mixedPrefix)
	if a, err := m.read(r); err == nil {
		m.know(a.Header)
		clear(m.seen)
		m.learn(r, a.Kvs)
	}
}

// interval is a read of one key or of several, in one of the ways that have one right answer: keys are never alike in what they are
// sorted by.
func (m *mixed) interval() *pb.RangeRequest {
	if m.chance(2) {
		r := getRequest(m.key())
		r.CountOnly = m.chance(16)
		return r
	}
	r := prefixRequest(mixedPrefix)
	if m.chance(3) {
		r.Key = []byte(m.key())
	}
	switch m.random.IntN(6) {
	case 0:
		r.CountOnly = true
	case 1:
		r.Limit = 1 + m.random.Int64N(3)
	case 2:
		r.KeysOnly = true
	case 3:
		r.SortOrder, r.SortTarget = pb.RangeRequest_DESCEND, pb.RangeRequest_KEY
		r.Limit = m.random.Int64N(4)
	case 4:
		r.SortOrder, r.SortTarget = pb.RangeRequest_SortOrder(1+m.random.IntN(2)), pb.RangeRequest_VALUE
		r.Limit = m.random.Int64N(4)
	}
	return r
}
