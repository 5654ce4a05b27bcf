package apply

import (
	"bytes"
	"cmp"
	"context"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"

	"quoin.dev/storage/mvcc"
)

// Reader is what comparisons need of the store: a range as of the state they are decided against.
type Reader interface {
	Range(ctx context.Context, key, end []byte, o mvcc.RangeOptions, emit func([]byte) error) (mvcc.RangeInfo, error)
}

// holdAll reports whether every comparison holds; none at all do.
func holdAll(reader Reader, comparisons []*pb.Compare) (bool, error) {
	for _, c := range comparisons {
		ok, err := holds(reader, c)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// holds reports whether c holds for every key of its range. A range without keys counts as one key that does not exist.
func holds(reader Reader, c *pb.Compare) (bool, error) {
	all, found := true, false
	o := mvcc.RangeOptions{KeysOnly: c.Target != pb.Compare_VALUE && c.Target != pb.Compare_LEASE}
	var kv mvccpb.KeyValue
	_, err := reader.Range(context.Background(), c.Key, c.RangeEnd, o, func(encoded []byte) error {
		kv.Reset()
		if err := kv.UnmarshalVT(encoded); err != nil {
			return err
		}
		found = true
		all = all && holdsFor(c, &kv)
		return nil
	})
	if err != nil {
		return false, err
	}
	if !found {
		// A key that does not exist has version, revisions and lease zero, and no value at all.
		return c.Target != pb.Compare_VALUE && holdsFor(c, new(mvccpb.KeyValue)), nil
	}
	return all, nil
}

func holdsFor(c *pb.Compare, kv *mvccpb.KeyValue) bool {
	var order int
	switch c.Target {
	case pb.Compare_VALUE:
		order = bytes.Compare(kv.Value, c.GetValue())
	case pb.Compare_CREATE:
		order = cmp.Compare(kv.CreateRevision, c.GetCreateRevision())
	case pb.Compare_MOD:
		order = cmp.Compare(kv.ModRevision, c.GetModRevision())
	case pb.Compare_VERSION:
		order = cmp.Compare(kv.Version, c.GetVersion())
	case pb.Compare_LEASE:
		order = cmp.Compare(kv.Lease, c.GetLease())
	}
	switch c.Result {
	case pb.Compare_EQUAL:
		return order == 0
	case pb.Compare_NOT_EQUAL:
		return order != 0
	case pb.Compare_GREATER:
		return order > 0
	case pb.Compare_LESS:
		return order < 0
	}
	return true
}
