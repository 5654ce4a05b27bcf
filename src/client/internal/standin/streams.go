package standin

import (
	"context"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
)

// watching is where a watch is.
type watching struct {
	create *pb.WatchCreateRequest
	next   int64 // revision
}

// Watch implements Watch, but for progress and filters.
func (m *Member) Watch(s pb.Watch_WatchServer) error {
	requests := make(chan *pb.WatchRequest)
	go func() {
		defer close(requests)
		for {
			r, err := s.Recv()
			if err != nil {
				return
			}
			select {
			case requests <- r:
			case <-s.Context().Done():
				return
			}
		}
	}()
	watches, id := map[int64]*watching{}, int64(0)
	for {
		m.mu.Lock()
		head, changed := m.header(), m.changed
		m.mu.Unlock()
		for id, w := range watches {
			if events := m.since(w); len(events) > 0 {
				if err := s.Send(&pb.WatchResponse{Header: head, WatchId: id, Events: events}); err != nil {
					return err
				}
			}
		}
		select {
		case <-changed:
		case <-s.Context().Done():
			return s.Context().Err()
		case r, ok := <-requests:
			reply := &pb.WatchResponse{Header: head}
			switch {
			case !ok:
				return nil
			case r.GetCreateRequest() != nil:
				w := &watching{r.GetCreateRequest(), r.GetCreateRequest().StartRevision}
				if w.next == 0 {
					w.next = head.Revision + 1
				}
				reply.WatchId, reply.Created = id, true
				watches[id] = w
				id++
			case r.GetCancelRequest() != nil:
				reply.WatchId, reply.Canceled = r.GetCancelRequest().WatchId, true
				delete(watches, reply.WatchId)
			}
			if err := s.Send(reply); err != nil {
				return err
			}
		}
	}
}

// since returns the events that a watch has not been told of, and counts them as told.
func (m *Member) since(w *watching) (events []*mvccpb.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.events {
		if e.Kv.ModRevision >= w.next && within(string(e.Kv.Key), w.create.Key, w.create.RangeEnd) {
			events = append(events, e)
		}
	}
	w.next = max(w.next, m.head+1)
	return events
}

// LeaseGrant implements Lease.
func (m *Member) LeaseGrant(_ context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nextID++
	m.leases[m.nextID] = r.TTL
	return &pb.LeaseGrantResponse{Header: m.header(), ID: m.nextID, TTL: r.TTL}, nil
}

// LeaseRevoke implements Lease.
func (m *Member) LeaseRevoke(_ context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leases[r.ID] == 0 {
		return nil, rpctypes.ErrGRPCLeaseNotFound
	}
	m.end(r.ID)
	return &pb.LeaseRevokeResponse{Header: m.header()}, nil
}

// LeaseKeepAlive implements Lease.
func (m *Member) LeaseKeepAlive(s pb.Lease_LeaseKeepAliveServer) error {
	for {
		r, err := s.Recv()
		if err != nil {
			return nil
		}
		m.mu.Lock()
		reply := &pb.LeaseKeepAliveResponse{Header: m.header(), ID: r.ID, TTL: m.leases[r.ID]}
		m.mu.Unlock()
		if err := s.Send(reply); err != nil {
			return err
		}
	}
}
