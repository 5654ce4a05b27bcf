package client

import (
	"context"

	pb "quoin.dev/api/etcdserverpb"
)

// Responses of the key-value calls, as they are on the wire.
type (
	CompactResponse = pb.CompactionResponse
	PutResponse     = pb.PutResponse
	GetResponse     = pb.RangeResponse
	DeleteResponse  = pb.DeleteRangeResponse
	TxnResponse     = pb.TxnResponse
)

// KV reads and writes keys.
type KV interface {
	// Put sets the value of a key. Both may hold any bytes; the key must not be empty.
	Put(ctx context.Context, key, val string, opts ...OpOption) (*PutResponse, error)

	// Get reads a key, or with WithRange, WithPrefix or WithFromKey an interval of keys. It is linearizable, unless
	// WithSerializable says otherwise. WithRev reads the past; that fails with rpctypes.ErrCompacted where the past is
	// gone. A missing key is no error: Kvs is empty then.
	Get(ctx context.Context, key string, opts ...OpOption) (*GetResponse, error)

	// GetStream reads like Get, for intervals too large for one response. It takes neither an order but that of the keys
	// nor revision filters, and needs members of version 3.7.
	GetStream(ctx context.Context, key string, opts ...OpOption) (*GetStream, error)

	// Delete deletes a key, or with WithRange, WithPrefix or WithFromKey an interval of keys.
	Delete(ctx context.Context, key string, opts ...OpOption) (*DeleteResponse, error)

	// Compact forgets what was overwritten or deleted before the revision.
	Compact(ctx context.Context, rev int64, opts ...CompactOption) (*CompactResponse, error)

	// Do runs an operation made by OpGet, OpPut, OpDelete or OpTxn.
	Do(ctx context.Context, op Op) (OpResponse, error)

	// Txn begins a transaction.
	Txn(ctx context.Context) Txn
}

// OpResponse is the result of KV.Do: the one response that belongs to the operation.
type OpResponse struct {
	put *PutResponse
	get *GetResponse
	del *DeleteResponse
	txn *TxnResponse
}

// Put returns the response to an OpPut, else nil.
func (r OpResponse) Put() *PutResponse { return r.put }

// Get returns the response to an OpGet, else nil.
func (r OpResponse) Get() *GetResponse { return r.get }

// Del returns the response to an OpDelete, else nil.
func (r OpResponse) Del() *DeleteResponse { return r.del }

// Txn returns the response to an OpTxn, else nil.
func (r OpResponse) Txn() *TxnResponse { return r.txn }

type kv struct {
	remote pb.KVClient
	c      *Client
}

// NewKV returns the KV of a client's connection.
func NewKV(c *Client) KV { return &kv{pb.NewKVClient(c.conn), c} }

// NewKVFromKVClient returns a KV over a generated client, for instance one of an in-process server. The
// client, which may be nil, says how reads are repeated.
func NewKVFromKVClient(remote pb.KVClient, c *Client) KV { return &kv{remote, orBare(c)} }

func (k *kv) Put(ctx context.Context, key, val string, opts ...OpOption) (*PutResponse, error) {
	resp, err := k.remote.Put(ctx, OpPut(key, val, opts...).putRequest())
	return resp, ContextError(ctx, err)
}

func (k *kv) Get(ctx context.Context, key string, opts ...OpOption) (*GetResponse, error) {
	resp, err := k.remote.Range(ctx, OpGet(key, opts...).rangeRequest())
	return resp, ContextError(ctx, err)
}

func (k *kv) Delete(ctx context.Context, key string, opts ...OpOption) (*DeleteResponse, error) {
	resp, err := k.remote.DeleteRange(ctx, OpDelete(key, opts...).deleteRequest())
	return resp, ContextError(ctx, err)
}

func (k *kv) Compact(ctx context.Context, rev int64, opts ...CompactOption) (*CompactResponse, error) {
	resp, err := k.remote.Compact(ctx, OpCompact(rev, opts...).request())
	return resp, ContextError(ctx, err)
}

func (k *kv) Do(ctx context.Context, op Op) (r OpResponse, err error) {
	switch op.kind {
	case kindGet:
		r.get, err = k.remote.Range(ctx, op.rangeRequest())
	case kindPut:
		r.put, err = k.remote.Put(ctx, op.putRequest())
	case kindDelete:
		r.del, err = k.remote.DeleteRange(ctx, op.deleteRequest())
	case kindTxn:
		r.txn, err = k.remote.Txn(ctx, op.txnRequest())
	default:
		panic("an Op was used that OpGet, OpPut, OpDelete or OpTxn did not make")
	}
	if err != nil {
		return OpResponse{}, ContextError(ctx, err)
	}
	return r, nil
}

// CompactOp is a compaction.
type CompactOp struct {
	revision int64
	physical bool
}

// CompactOption changes a compaction.
type CompactOption func(*CompactOp)

// OpCompact returns a compaction at a revision.
func OpCompact(rev int64, opts ...CompactOption) CompactOp {
	op := CompactOp{revision: rev}
	for _, opt := range opts {
		opt(&op)
	}
	return op
}

// WithCompactPhysical makes a compaction return only after the member asked has removed the data from its disk.
func WithCompactPhysical() CompactOption { return func(op *CompactOp) { op.physical = true } }

func (op CompactOp) request() *pb.CompactionRequest {
	return &pb.CompactionRequest{Revision: op.revision, Physical: op.physical}
}
