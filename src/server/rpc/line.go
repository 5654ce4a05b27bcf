package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/lease"
	"quoin.dev/server/member"
	"quoin.dev/server/watch"
)

// line is the keys below a name, of which the oldest comes first: what locks and elections are made of. A place in it is
// the key name/LEASE, with the lease in hexadecimal, and lasts as long as the lease.
type line struct {
	kv   *kvServer
	name string
}

// place is a key in a line; its create revision says who came first, and later that it still is the same place.
type place struct {
	key      string
	revision int64
	lease    int64
	header   *pb.ResponseHeader // of the answer by which it was taken
}

func (l line) prefix() []byte { return []byte(l.name + "/") }

// end is that of the keys with the prefix, whose last byte is a slash.
func (l line) end() []byte { return []byte(l.name + "0") }

func (l line) member() *member.Member { return l.kv.m }

// enter takes a place for a lease, with a value. A lease that has one keeps it, and its value.
func (l line) enter(ctx context.Context, lease int64, value []byte) (place, *mvccpb.KeyValue, error) {
	p := place{key: fmt.Sprintf("%s/%x", l.name, lease), lease: lease}
	r, err := l.kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{p.created(0)},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(p.key), Value: value, Lease: lease}}}},
		Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(p.key)}}}},
	})
	if err != nil {
		return place{}, nil, err
	}
	p.header = r.Header
	if p.revision = r.Header.Revision; r.Succeeded {
		return p, nil, nil
	}
	held := r.Responses[0].GetResponseRange().Kvs[0]
	p.revision = held.CreateRevision
	return p, held, nil
}

// created compares when the key of a place was created; 0 = never.
func (p place) created(revision int64) *pb.Compare {
	return &pb.Compare{
		Key: []byte(p.key), Target: pb.Compare_CREATE, Result: pb.Compare_EQUAL,
		TargetUnion: &pb.Compare_CreateRevision{CreateRevision: revision},
	}
}

// await waits until nobody is in front of a place, and returns the header of the answer that says so; false when the place
// itself is gone by then. Whoever gives up waiting leaves the line.
func (l line) await(ctx context.Context, p place) (header *pb.ResponseHeader, holds bool, err error) {
	defer func() {
		if err != nil {
			l.abandon(ctx, p)
		}
	}()
	for {
		// The place and the one in front of it, as of one revision.
		r, err := l.kv.Txn(ctx, &pb.TxnRequest{
			Compare: []*pb.Compare{p.created(p.revision)},
			Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{
				Key: l.prefix(), RangeEnd: l.end(), MaxCreateRevision: p.revision - 1, Limit: 1, KeysOnly: true,
				SortOrder: pb.RangeRequest_DESCEND, SortTarget: pb.RangeRequest_CREATE,
			}}}},
		})
		switch {
		case err != nil:
			return nil, false, err
		case !r.Succeeded:
			return r.Header, false, nil
		}
		front := r.Responses[0].GetResponseRange().Kvs
		if len(front) == 0 {
			return r.Header, true, nil
		}
		err = l.watch(ctx, front[0].Key, nil, r.Header.Revision+1, func(e *mvccpb.Event) (bool, error) {
			return e.Type == mvccpb.Event_DELETE, nil
		})
		if err != nil && !errors.Is(err, errBegunTooLate) {
			return nil, false, err
		}
	}
}

// abandonTimeout bounds leaving a line on behalf of a caller who is gone.
const abandonTimeout = 5 * time.Second

// abandon leaves a line, if the place still is the same. When that fails the lease ends it.
func (l line) abandon(ctx context.Context, p place) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	_, _ = l.leave(ctx, p)
}

// leave gives a place up, if it still is the same.
func (l line) leave(ctx context.Context, p place) (*pb.TxnResponse, error) {
	return l.kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{p.created(p.revision)},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(p.key)}}}},
	})
}

// first is the key that is in front of everybody, nil if the line is empty.
func (l line) first(ctx context.Context) (*mvccpb.KeyValue, *pb.ResponseHeader, error) {
	r, err := l.kv.Range(ctx, &pb.RangeRequest{
		Key: l.prefix(), RangeEnd: l.end(), Limit: 1, SortOrder: pb.RangeRequest_ASCEND, SortTarget: pb.RangeRequest_CREATE,
	})
	if err != nil || len(r.Kvs) == 0 {
		return nil, r.GetHeader(), err
	}
	return r.Kvs[0], r.Header, nil
}

// errBegunTooLate says that what was to be watched is compacted: the caller looks again instead.
var errBegunTooLate = errors.New("mvcc: the watch begins at a compacted revision")

// watch calls fn for every event of [key, end) from a revision on, until fn says that it is enough.
func (l line) watch(ctx context.Context, key, end []byte, from int64, fn func(*mvccpb.Event) (enough bool, err error)) error {
	if _, err := l.kv.mayRead(ctx, key, end); err != nil {
		return toWire(err)
	}
	stream := l.member().NewWatchStream()
	defer stream.Close()
	ctx, untrust := l.member().WhileTrusted(ctx)
	defer untrust()
	err := l.member().Read(func(s *apply.State) error {
		return stream.Watch(watch.Options{Key: key, End: end, Start: from}, s.KV.Revision(), s.KV.CompactRevision())
	})
	if err != nil {
		return err
	}
	for {
		r, err := stream.Next(ctx, nil)
		switch {
		case err != nil:
			return toWire(err)
		case r.Canceled:
			return errBegunTooLate
		}
		for _, frame := range r.Frames {
			_, _, n := protowire.ConsumeTag(frame)
			body, _ := protowire.ConsumeBytes(frame[n:])
			e := new(mvccpb.Event)
			if err := e.UnmarshalVT(body); err != nil {
				return err
			}
			if enough, err := fn(e); err != nil || enough {
				return err
			}
		}
	}
}

// plain is an error as the services made of lines tell it: by its text alone.
func plain(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok || s.Code() == codes.Canceled || s.Code() == codes.DeadlineExceeded {
		return err
	}
	return status.Error(codes.Unknown, s.Message())
}

// callTTL is the time to live of a lease that is made for one call, in seconds: it is renewed while the call runs, and what
// the caller got by it ends so much later.
const callTTL = 60

// withLease calls fn with a lease, or with one made for the call if it is 0.
func (l line) withLease(ctx context.Context, id int64, fn func(id int64) error) error {
	if id != 0 {
		return fn(id)
	}
	who, err := l.kv.of(ctx)
	if err == nil {
		err = l.member().Permit(ctx, who, (*auth.View).Anyone)
	}
	if err != nil {
		return toWire(err)
	}
	granted, err := l.member().LeaseGrant(ctx, who, &pb.LeaseGrantRequest{TTL: callTTL})
	if err != nil {
		return toWire(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		ticker := time.NewTicker(callTTL * time.Second / 3)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				// One that fails is followed by another before the lease ends.
				_, _ = l.member().LeaseRenew(ctx, lease.ID(granted.ID))
			case <-ctx.Done():
				return
			}
		}
	}()
	return fn(granted.ID)
}
