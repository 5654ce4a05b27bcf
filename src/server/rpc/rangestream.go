package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/member"
	"quoin.dev/storage/mvcc"
)

// firstChunkKeys is how many pairs the first message of a stream holds; later ones follow the size of the pairs.
const firstChunkKeys = 10

// RangeStream answers a range in several messages, in memory bounded by the size of one. All of them show the revision
// that the first one found; the last one carries the header, whether there is more, and the count.
func (s *kvServer) RangeStream(r *pb.RangeRequest, stream grpc.ServerStreamingServer[pb.RangeStreamResponse]) (err error) {
	if err := validateStream(r); err != nil {
		return err
	}
	begun := time.Now()
	defer func() { s.m.Meter().Requests.Observe(member.KindRangeStream, err == nil, time.Since(begun)) }()
	ctx := stream.Context()
	if err := s.beforeRead(ctx, r.Serializable); err != nil {
		return toWire(err)
	}
	who, err := s.mayRead(ctx, r.Key, r.RangeEnd)
	if err != nil {
		return toWire(err)
	}
	c := chunks{s: s, request: r, options: apply.RangeOptions(r), key: r.Key, keys: firstChunkKeys}
	for {
		reply, last, err := c.next(ctx)
		if err == nil {
			if err = s.m.Auth().Seen(who); err != nil {
				reply.free()
			}
		}
		if err != nil {
			return toWire(err)
		}
		if err := stream.SendMsg(streamReply{reply}); err != nil {
			return err
		}
		if last {
			return nil
		}
	}
}

// chunks reads a range piece by piece.
type chunks struct {
	s       *kvServer
	request *pb.RangeRequest
	options mvcc.RangeOptions
	key     []byte // where the next chunk begins
	keys    int64  // how many pairs the next chunk may hold
	sent    int64
	count   int64 // of the whole range, from the first chunk
	header  *pb.ResponseHeader
}

// next reads one chunk; last says that no other follows.
func (c *chunks) next(ctx context.Context) (reply *rangeReply, last bool, err error) {
	reply = new(rangeReply)
	var lastKey []byte
	o := c.options
	o.Limit = c.keys
	remaining := c.request.Limit - c.sent
	if c.request.Limit > 0 {
		o.Limit = min(o.Limit, remaining)
	}
	if o.CountOnly || o.Target != mvcc.ByKey {
		o.Limit = c.request.Limit // what is sorted can not be cut into pieces, and a count has none
	}
	err = c.s.m.Read(func(state *apply.State) error {
		info, err := state.KV.Range(ctx, c.key, c.request.RangeEnd, o, func(kv []byte) error {
			lastKey = append(lastKey[:0], keyOf(kv)...)
			return reply.add(kv)
		})
		if err != nil {
			return err
		}
		if c.header == nil {
			c.header, c.count = c.s.m.Header(info.Revision), info.Count
			if c.options.Revision <= 0 {
				c.options.Revision = info.Revision
			}
			c.options.NoCount = true
		}
		c.sent += int64(reply.kvs)
		last = !info.More || o.Limit == c.request.Limit || c.sent == c.request.Limit
		if last {
			reply.finish(c.header, info.More, c.count)
		}
		return nil
	})
	if err != nil {
		reply.free()
		return nil, false, err
	}
	c.key = append(lastKey, 0)
	c.resize(reply.bytes)
	return reply, last, nil
}

// resize steers the chunks towards half of the largest request.
func (c *chunks) resize(bytes int) {
	target := c.s.m.MaxRequestBytes() / 2
	switch {
	case bytes < target:
		c.keys *= 2
	case bytes > 2*target:
		c.keys = max(c.keys/2, 1)
	}
}

// keyOf returns the key of an encoded KeyValue, which is always its first field.
func keyOf(kv []byte) []byte {
	_, _, n := protowire.ConsumeTag(kv)
	key, _ := protowire.ConsumeBytes(kv[max(n, 0):])
	return key
}
