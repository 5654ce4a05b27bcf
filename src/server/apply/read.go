package apply

import (
	"context"
	"errors"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/storage/mvcc"
)

// readAttempts bounds how often a read-only transaction starts again because its revision was compacted meanwhile.
const readAttempts = 8

// OnlyReads reports whether a transaction can be answered without the log: its own operations are all ranges. One with
// a nested transaction goes through the log whatever it holds.
func OnlyReads(r *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if op.GetRequestRange() == nil {
				return false
			}
		}
	}
	return true
}

// OnlySerializable reports whether every range of a read-only transaction accepts the local state.
func OnlySerializable(r *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if !op.GetRequestRange().GetSerializable() {
				return false
			}
		}
	}
	return len(r.Success)+len(r.Failure) > 0
}

// ReadTxn answers a transaction for which OnlyReads holds; all of it sees one revision.
func (s *State) ReadTxn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	for attempt := 1; ; attempt++ {
		pinned := pinnedReader{store: s.KV, revision: s.KV.Revision()}
		response, err := pinned.run(ctx, r)
		// The head may have been compacted away between looking at it and reading it; then there is a newer head.
		if errors.Is(err, errPinCompacted) && attempt < readAttempts {
			continue
		}
		return response, err
	}
}

// errPinCompacted is ErrCompacted for a revision that the client did not ask for.
var errPinCompacted = errors.Join(mvcc.ErrCompacted)

// pinnedReader reads everything at one revision unless it is asked for another.
type pinnedReader struct {
	store    *mvcc.Store
	revision int64
}

// Range implements Reader.
func (p pinnedReader) Range(ctx context.Context, key, end []byte, o mvcc.RangeOptions, emit func([]byte) error) (mvcc.RangeInfo, error) {
	if err := checkRevision(o.Revision, p.revision, p.store.CompactRevision()); err != nil {
		return mvcc.RangeInfo{}, err
	}
	pinned := o.Revision <= 0
	if pinned {
		o.Revision = p.revision
	}
	info, err := p.store.Range(ctx, key, end, o, emit)
	if pinned && errors.Is(err, mvcc.ErrCompacted) {
		err = errPinCompacted
	}
	return info, err
}

func (p pinnedReader) run(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	succeeded, err := holdAll(p, r.Compare)
	if err != nil {
		return nil, err
	}
	header := func() *pb.ResponseHeader { return &pb.ResponseHeader{Revision: p.revision} }
	response := &pb.TxnResponse{Header: header(), Succeeded: succeeded}
	for _, op := range branch(r, succeeded) {
		answer := &pb.RangeResponse{Header: header()}
		info, err := p.Range(ctx, op.GetRequestRange().Key, op.GetRequestRange().RangeEnd, RangeOptions(op.GetRequestRange()), appendTo(&answer.Kvs))
		if err != nil {
			return nil, err
		}
		answer.Count, answer.More = info.Count, info.More
		response.Responses = append(response.Responses, &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: answer}})
	}
	return response, nil
}
