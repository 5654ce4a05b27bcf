package rpc

import (
	"encoding/binary"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	pb "quoin.dev/api/etcdserverpb"
)

// Sizes of the pieces a range response is built in: small ones are common, large ones should not be copied to grow.
const (
	firstPieceBytes = 512
	pieceBytes      = 32 << 10 // a size class of gRPC's buffer pool
)

// Field numbers of RangeResponse and RangeStreamResponse.
const (
	rangeHeaderField   = 1
	rangeKvsField      = 2
	rangeMoreField     = 3
	rangeCountField    = 4
	streamPayloadField = 1
)

// rangeReply is a RangeResponse that is encoded while it is read: the stored bytes of a key-value pair are the bytes on
// the wire, so they are copied once and never decoded. It implements vtcodec.BufferMarshaler.
type rangeReply struct {
	full  mem.BufferSlice
	piece []byte
	bytes int // of the encoding so far
	kvs   int // pairs added
}

// add appends one encoded KeyValue.
func (r *rangeReply) add(kv []byte) error {
	var head [2 * binary.MaxVarintLen64]byte
	h := protowire.AppendTag(head[:0], rangeKvsField, protowire.BytesType)
	h = protowire.AppendVarint(h, uint64(len(kv)))
	r.write(h)
	r.write(kv)
	r.kvs++
	return nil
}

func (r *rangeReply) write(p []byte) {
	r.bytes += len(p)
	for len(p) > 0 {
		if len(r.piece) == cap(r.piece) {
			r.nextPiece(len(p))
		}
		n := min(len(p), cap(r.piece)-len(r.piece))
		r.piece = append(r.piece, p[:n]...)
		p = p[n:]
	}
}

func (r *rangeReply) nextPiece(want int) {
	if r.piece == nil && want <= firstPieceBytes/2 {
		r.piece = make([]byte, 0, firstPieceBytes)
		return
	}
	r.flush()
	r.piece = (*mem.DefaultBufferPool().Get(pieceBytes))[:0]
}

// flush moves the current piece to the finished ones.
func (r *rangeReply) flush() {
	if len(r.piece) == 0 {
		return
	}
	piece := r.piece
	r.piece = nil
	if cap(piece) < pieceBytes {
		r.full = append(r.full, mem.SliceBuffer(piece))
		return
	}
	r.full = append(r.full, mem.NewBuffer(&piece, mem.DefaultBufferPool()))
}

// finish appends what is known only after reading.
func (r *rangeReply) finish(h *pb.ResponseHeader, more bool, count int64) {
	var tail []byte
	if h != nil {
		tail = protowire.AppendTag(tail, rangeHeaderField, protowire.BytesType)
		tail = protowire.AppendVarint(tail, uint64(h.SizeVT()))
		encoded, err := h.MarshalVT()
		if err != nil {
			panic("rpc: a response header of four numbers can not be encoded: " + err.Error())
		}
		tail = append(tail, encoded...)
	}
	if more {
		tail = protowire.AppendTag(tail, rangeMoreField, protowire.VarintType)
		tail = protowire.AppendVarint(tail, 1)
	}
	if count != 0 {
		tail = protowire.AppendTag(tail, rangeCountField, protowire.VarintType)
		tail = protowire.AppendVarint(tail, uint64(count))
	}
	r.write(tail)
}

// MarshalBuffers gives the encoding away.
func (r *rangeReply) MarshalBuffers() (mem.BufferSlice, error) {
	r.flush()
	return r.full, nil
}

// free returns the buffers of a reply that will not be sent.
func (r *rangeReply) free() {
	r.flush()
	r.full.Free()
}

// decode turns the reply into the message it encodes, for callers that are not on the wire.
func (r *rangeReply) decode() (*pb.RangeResponse, error) {
	r.flush()
	defer r.full.Free()
	response := new(pb.RangeResponse)
	return response, response.UnmarshalVT(r.full.Materialize())
}

// streamReply is a RangeStreamResponse around a reply.
type streamReply struct{ *rangeReply }

// MarshalBuffers prefixes the reply with the field it is the payload of.
func (s streamReply) MarshalBuffers() (mem.BufferSlice, error) {
	head := protowire.AppendTag(nil, streamPayloadField, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(s.bytes))
	buffers, err := s.rangeReply.MarshalBuffers()
	return append(mem.BufferSlice{mem.SliceBuffer(head)}, buffers...), err
}
