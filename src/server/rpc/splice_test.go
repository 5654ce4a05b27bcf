package rpc

import (
	"fmt"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/pkg/vtcodec"
)

// spliced sends a reply through the codec of the server and decodes it as a client would.
func splicedOf(t *testing.T, reply any, into proto.Message) {
	t.Helper()
	w := NewWithT(t)
	buffers, err := vtcodec.Codec{}.Marshal(reply)
	w.Expect(err).NotTo(HaveOccurred())
	encoded := buffers.Materialize()
	buffers.Free()
	w.Expect(proto.Unmarshal(encoded, into)).To(Succeed())
}

// build makes a reply and, the slow way, the message that it has to be.
func build(kvs []*mvccpb.KeyValue, header *pb.ResponseHeader, more bool, count int64) (*rangeReply, *pb.RangeResponse) {
	reply := new(rangeReply)
	for _, kv := range kvs {
		encoded, err := kv.MarshalVT()
		if err != nil {
			panic(err)
		}
		if err := reply.add(encoded); err != nil {
			panic(err)
		}
		clear(encoded) // the bytes are valid during the call only
	}
	reply.finish(header, more, count)
	return reply, &pb.RangeResponse{Header: header, Kvs: kvs, More: more, Count: count}
}

func pair(size int) *mvccpb.KeyValue {
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(i)
	}
	return &mvccpb.KeyValue{Key: []byte("key"), Value: value, CreateRevision: 300, ModRevision: 1 << 40, Version: 1, Lease: -1}
}

func checkReply(t *testing.T, kvs []*mvccpb.KeyValue, header *pb.ResponseHeader, more bool, count int64) {
	t.Helper()
	w := NewWithT(t)
	reply, want := build(kvs, header, more, count)
	w.Expect(reply.bytes).To(Equal(want.SizeVT()), "splicing costs no byte")
	got := new(pb.RangeResponse)
	splicedOf(t, reply, got)
	w.Expect(proto.Equal(got, want)).To(BeTrue())

	reply, _ = build(kvs, header, more, count)
	decoded, err := reply.decode()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(proto.Equal(decoded, want)).To(BeTrue())

	reply, _ = build(kvs, header, more, count)
	streamed := new(pb.RangeStreamResponse)
	splicedOf(t, streamReply{reply}, streamed)
	w.Expect(proto.Equal(streamed, &pb.RangeStreamResponse{RangeResponse: want})).To(BeTrue())
}

// TestRepliesAroundThePieceBorders puts the end of a pair at every place near the end of a piece.
func TestRepliesAroundThePieceBorders(t *testing.T) {
	header := &pb.ResponseHeader{ClusterId: 1 << 63, MemberId: 1 << 63, Revision: 1 << 40, RaftTerm: 2}
	around := func(border, width int) {
		for size := max(border-width, 0); size < border+width; size++ {
			checkReply(t, []*mvccpb.KeyValue{pair(size)}, header, true, 7)
			checkReply(t, []*mvccpb.KeyValue{pair(3), pair(size), pair(3)}, header, false, 3)
		}
	}
	around(0, 3)
	around(firstPieceBytes/2, 64)
	around(firstPieceBytes, 64)
	around(pieceBytes, 40)
	around(pieceBytes+firstPieceBytes, 40)
	around(3*pieceBytes, 4)
}

func TestRepliesWithoutPairs(t *testing.T) {
	checkReply(t, nil, nil, false, 0)
	checkReply(t, nil, &pb.ResponseHeader{}, false, 0)
	checkReply(t, nil, &pb.ResponseHeader{Revision: 5}, false, 12345)
	checkReply(t, nil, &pb.ResponseHeader{Revision: 5}, true, -1)
}

func TestRandomReplies(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		var kvs []*mvccpb.KeyValue
		for range r.IntN(60) {
			kv := pair(r.IntN(1 << r.IntN(15)))
			kv.Key = []byte(fmt.Sprint("key", r.IntN(1<<20)))
			kv.Lease = int64(r.IntN(2)) * r.Int64()
			kvs = append(kvs, kv)
		}
		checkReply(t, kvs, &pb.ResponseHeader{ClusterId: r.Uint64(), Revision: r.Int64()}, r.IntN(2) == 0, int64(r.IntN(1000)))
	}
}

// TestRepliesThatAreNotSentGiveTheirBuffersBack: freeing twice or after use would panic in the pool.
func TestRepliesThatAreNotSentGiveTheirBuffersBack(t *testing.T) {
	for _, size := range []int{0, 10, firstPieceBytes, pieceBytes, 5 * pieceBytes} {
		reply, _ := build([]*mvccpb.KeyValue{pair(size)}, nil, false, 0)
		reply.free()
	}
	new(rangeReply).free()
}

func TestKeyOf(t *testing.T) {
	w := NewWithT(t)
	for _, key := range []string{"k", string(make([]byte, 300))} {
		encoded, err := (&mvccpb.KeyValue{Key: []byte(key), Value: []byte("v"), ModRevision: 3}).MarshalVT()
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(string(keyOf(encoded))).To(Equal(key))
	}
	w.Expect(keyOf(nil)).To(BeEmpty())
	w.Expect(keyOf([]byte{0x0a, 0x05, 'k'})).To(BeEmpty(), "a damaged one")
}
