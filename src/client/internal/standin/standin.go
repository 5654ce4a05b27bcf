// Package standin is a member that keeps everything in memory, for tests and examples of what is built on the client.
package standin

import (
	"net"
	"sync"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/pkg/vtcodec"
)

// Member serves KV, Watch and Lease. It does what the packages beside the client use, in the simplest way: the state at a
// revision is found by going through all events up to it. Leases end by Expire or LeaseRevoke only.
type Member struct {
	pb.UnimplementedKVServer
	pb.UnimplementedWatchServer
	pb.UnimplementedLeaseServer

	// Address is where the member listens.
	Address string

	server *grpc.Server
	served sync.WaitGroup

	mu      sync.Mutex // guards what follows
	events  []*mvccpb.Event
	head    int64
	leases  map[int64]int64 // id to TTL
	nextID  int64
	changed chan struct{} // closed and replaced with each revision
}

// Start serves a new member on the loopback interface.
func Start() (*Member, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Member{
		Address: l.Addr().String(), server: grpc.NewServer(grpc.ForceServerCodecV2(vtcodec.Codec{})),
		head: 1, leases: map[int64]int64{}, nextID: 0xa0, changed: make(chan struct{}),
	}
	pb.RegisterKVServer(m.server, m)
	pb.RegisterWatchServer(m.server, m)
	pb.RegisterLeaseServer(m.server, m)
	m.served.Go(func() { _ = m.server.Serve(l) })
	return m, nil
}

// Stop ends the member.
func (m *Member) Stop() {
	m.server.Stop()
	m.served.Wait()
}

// Expire ends a lease as if its time were over.
func (m *Member) Expire(id int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(id)
}

// Leases returns how many leases there are.
func (m *Member) Leases() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.leases)
}

// end deletes a lease and its keys in one revision. It must be called with mu held, as all below.
func (m *Member) end(id int64) {
	delete(m.leases, id)
	head := m.head
	for key, kv := range m.state(head) {
		if kv.Lease == id {
			m.head = head + 1
			m.add(&mvccpb.Event{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: m.head}})
		}
	}
	m.tell()
}

func (m *Member) add(e *mvccpb.Event) { m.events = append(m.events, e) }

// tell wakes who watches.
func (m *Member) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Member) header() *pb.ResponseHeader { return &pb.ResponseHeader{Revision: m.head} }

// state returns the keys at a revision.
func (m *Member) state(revision int64) map[string]*mvccpb.KeyValue {
	state := map[string]*mvccpb.KeyValue{}
	for _, e := range m.events {
		if e.Kv.ModRevision > revision {
			break
		}
		if e.Type == mvccpb.Event_DELETE {
			delete(state, string(e.Kv.Key))
		} else {
			state[string(e.Kv.Key)] = e.Kv
		}
	}
	return state
}

// within reports whether a key is in the interval of a request.
func within(key string, from, end []byte) bool {
	switch {
	case len(end) == 0:
		return key == string(from)
	case string(end) == "\x00":
		return key >= string(from)
	}
	return key >= string(from) && key < string(end)
}
