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

// Field numbers of responses.
const (
	responseHeaderField = 1

	rangeKvsField      = 2
	rangeMoreField     = 3
	rangeCountField    = 4
	streamPayloadField = 1
)

// spliced is a message that is encoded piece by piece, mostly of bytes that are stored as they go on the wire: they are
// copied once and never decoded. It implements vtcodec.BufferMarshaler.
type spliced struct {
	full  mem.BufferSlice
	piece []byte
	bytes int // of the encoding so far
}

// rangeReply is a RangeResponse.
type rangeReply struct {
	spliced
	kvs int // pairs added
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

func (r *spliced) write(p []byte) {
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

// share appends bytes that stay as they are, without copying them.
func (r *spliced) share(p []byte) {
	r.flush()
	r.full = append(r.full, mem.SliceBuffer(p))
	r.bytes += len(p)
}

func (r *spliced) nextPiece(want int) {
	if r.piece == nil && want <= firstPieceBytes/2 {
		r.piece = make([]byte, 0, firstPieceBytes)
		return
	}
	r.flush()
	r.piece = (*mem.DefaultBufferPool().Get(pieceBytes))[:0]
}

// flush moves the current piece to the finished ones.
func (r *spliced) flush() {
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

// header appends the header of a response, which is the first field of each.
func (r *spliced) header(h *pb.ResponseHeader) {
	encoded, err := h.MarshalVT()
	if err != nil {
		panic("rpc: a response header of four numbers can not be encoded: " + err.Error())
	}
	head := protowire.AppendTag(make([]byte, 0, binary.MaxVarintLen64), responseHeaderField, protowire.BytesType)
	r.write(protowire.AppendVarint(head, uint64(len(encoded))))
	r.write(encoded)
}

// number appends an integer field unless it is zero.
func (r *spliced) number(field protowire.Number, v int64) {
	if v != 0 {
		b := protowire.AppendTag(make([]byte, 0, 2*binary.MaxVarintLen64), field, protowire.VarintType)
		r.write(protowire.AppendVarint(b, uint64(v)))
	}
}

// flag appends a boolean field unless it is false.
func (r *spliced) flag(field protowire.Number, v bool) {
	if v {
		r.number(field, 1)
	}
}

// finish appends what is known only after reading.
func (r *rangeReply) finish(h *pb.ResponseHeader, more bool, count int64) {
	if h != nil {
		r.header(h)
	}
	r.flag(rangeMoreField, more)
	r.number(rangeCountField, count)
}

// MarshalBuffers gives the encoding away.
func (r *spliced) MarshalBuffers() (mem.BufferSlice, error) {
	r.flush()
	return r.full, nil
}

// free returns the buffers of a reply that will not be sent.
func (r *spliced) free() {
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
