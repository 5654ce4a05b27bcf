package interop

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
	"quoin.dev/quoin/e2e/interop/randomkv"
)

// quiet is how long the servers say nothing before they are taken to have nothing to say.
const quiet = 800 * time.Millisecond

// slowest is how much longer one server may need to say what the other one has said.
const slowest = 30 * time.Second

// watching is one watch stream to each server.
type watching struct {
	t       *testing.T
	conns   [2]*grpc.ClientConn
	streams [2]pb.Watch_WatchClient
	replies [2]chan reply
}

// reply is what a server said, and of which watch.
type reply struct {
	id   int64
	text string
}

func newWatching(t *testing.T, conns [2]*grpc.ClientConn) *watching {
	w := &watching{t: t, conns: conns}
	for i, conn := range conns {
		stream, err := pb.NewWatchClient(conn).Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.streams[i], w.replies[i] = stream, make(chan reply, 10_000)
		go func() {
			defer close(w.replies[i])
			for {
				r, err := stream.Recv()
				if err != nil {
					w.replies[i] <- reply{text: err.Error()}
					return
				}
				r.Header = &pb.ResponseHeader{Revision: r.GetHeader().GetRevision()}
				w.replies[i] <- reply{r.WatchId, prototext.MarshalOptions{}.Format(r)}
			}
		}()
	}
	return w
}

func (w *watching) send(r *pb.WatchRequest) {
	w.t.Helper()
	for _, s := range w.streams {
		if err := s.Send(r); err != nil {
			w.t.Fatal(err)
		}
	}
	w.compare(show(r))
}

func (w *watching) create(r *pb.WatchCreateRequest) {
	w.t.Helper()
	w.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}})
}

// do sends requests of the KV service to both, and hears what comes of one before it sends the next: changes that wait together for
// one watch may come as one reply.
func (w *watching) do(requests ...proto.Message) {
	w.t.Helper()
	for _, r := range requests {
		answers := both(w.conns, func(conn *grpc.ClientConn) (proto.Message, error) { return randomkv.Execute(w.t.Context(), conn, r) })
		if d := randomkv.Difference(r, answers[0], answers[1]); d != "" || answers[0].Err != nil {
			w.t.Fatalf("%s: %s %v", show(r), d, answers[0].Err)
		}
		w.compare(show(r))
	}
}

// compare holds together what both say until they are quiet, watch by watch: etcd goes through the watches of one event in
// any order. As long as they differ, one of them may have more to say.
func (w *watching) compare(after string) {
	w.t.Helper()
	var said [2][]reply
	for end := time.Now().Add(slowest); ; {
		w.hear(&said)
		var texts [2]string
		for i, replies := range said {
			slices.SortStableFunc(replies, func(a, b reply) int { return cmp.Compare(a.id, b.id) })
			for _, r := range replies {
				texts[i] += r.text + "\n"
			}
		}
		switch {
		case texts[0] == texts[1]:
			return
		case time.Now().After(end):
			w.t.Errorf("after %s\netcd says:\n%s\nquoin says:\n%s", after, texts[0], texts[1])
			return
		}
	}
}

// hear adds what both say until both are quiet. The space in a text message is not stable.
func (w *watching) hear(said *[2][]reply) {
	for {
		var r reply
		var ok bool
		var of int
		select {
		case r, ok = <-w.replies[0]:
		case r, ok = <-w.replies[1]:
			of = 1
		case <-time.After(quiet):
			return
		}
		if !ok {
			w.replies[of] = nil // it has ended; the other one may not have
			continue
		}
		r.text = strings.ReplaceAll(r.text, "  ", " ")
		said[of] = append(said[of], r)
	}
}

func put(key, value string) proto.Message {
	return &pb.PutRequest{Key: []byte(key), Value: []byte(value)}
}

// TestWatchRepliesAreEqual sends the same requests on a watch stream to etcd and to the server under test.
func TestWatchRepliesAreEqual(t *testing.T) {
	t.Parallel()
	reference, subject := lab.StartOne(t, lab.Etcd), lab.StartOne(t, lab.Subject(t))
	w := newWatching(t, [2]*grpc.ClientConn{reference.Conn(t), subject.Conn(t)})
	progress := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}
	cancel := func(id int64) *pb.WatchRequest {
		return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}}
	}
	w.send(progress)
	w.do(put("a", "1"), put("a", "2"), &pb.DeleteRangeRequest{Key: []byte("a")}, put("b", "1"))
	w.create(&pb.WatchCreateRequest{Key: []byte("a")})
	w.do(put("a", "3"), put("b", "2"), put("a", "4"))
	w.create(&pb.WatchCreateRequest{Key: []byte("a"), WatchId: 9, PrevKv: true})
	w.create(&pb.WatchCreateRequest{Key: []byte("a"), WatchId: 9})
	w.do(put("a", "5"), &pb.DeleteRangeRequest{Key: []byte("a")}, put("a", "6"))
	w.send(progress)
	w.create(&pb.WatchCreateRequest{Key: []byte("b"), RangeEnd: []byte("a")})
	w.create(&pb.WatchCreateRequest{Key: []byte("b"), RangeEnd: []byte("b")})
	w.create(&pb.WatchCreateRequest{Key: []byte("b"), StartRevision: -1})
	w.create(&pb.WatchCreateRequest{})
	w.create(&pb.WatchCreateRequest{RangeEnd: []byte{0}})
	w.send(cancel(77))
	w.send(cancel(9))
	w.send(cancel(0))
	w.do(put("zz", "everything"), put("a", "7"))
	w.send(cancel(2))

	// The past, with and without what is compacted.
	w.create(&pb.WatchCreateRequest{Key: []byte("a"), StartRevision: 1, PrevKv: true, WatchId: 20})
	w.send(cancel(20))
	w.create(&pb.WatchCreateRequest{Key: []byte("a"), RangeEnd: []byte("c"), StartRevision: 3, WatchId: 21, Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}})
	w.send(cancel(21))
	w.create(&pb.WatchCreateRequest{Key: []byte("a"), RangeEnd: []byte("c"), StartRevision: 3, WatchId: 22, Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE}})
	w.send(cancel(22))
	w.do(&pb.CompactionRequest{Revision: 4, Physical: true})
	for rev := range int64(6) {
		w.create(&pb.WatchCreateRequest{Key: []byte("a"), StartRevision: rev + 1, PrevKv: true, WatchId: 30 + rev})
		if rev+1 >= 4 { // etcd takes the cancellation of a watch that it has canceled; here the watch is gone
			w.send(cancel(30 + rev))
		}
	}

	// A transaction is one reply; the future is silent.
	w.create(&pb.WatchCreateRequest{Key: []byte("t"), RangeEnd: []byte("u"), WatchId: 40, PrevKv: true})
	w.do(txn(putOp("t1"), putOp("other"), putOp("t2")), txn(putOp("t1"), deleteOp("t2", ""), putOp("t3")))
	w.create(&pb.WatchCreateRequest{Key: []byte("t"), RangeEnd: []byte("u"), WatchId: 41, StartRevision: 20})
	w.send(progress)
	for range 4 {
		w.do(put("t1", "x"))
	}
	w.send(progress)
	if err := w.streams[0].CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := w.streams[1].CloseSend(); err != nil {
		t.Fatal(err)
	}
	w.compare("the end of the requests")
}

// TestFragmentsAreEqual: a large reply comes in parts if the watch asked for that, and whole if not.
func TestFragmentsAreEqual(t *testing.T) {
	t.Parallel()
	reference, subject := lab.StartOne(t, lab.Etcd), lab.StartOne(t, lab.Subject(t))
	conns := [2]*grpc.ClientConn{reference.Conn(t), subject.Conn(t)}
	large := func(key string) *pb.RequestOp {
		r := &pb.PutRequest{Key: []byte(key), Value: make([]byte, 480_000)}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r}}
	}
	for _, conn := range conns {
		for range 2 {
			if _, err := pb.NewKVClient(conn).Txn(t.Context(), txn(large("k1"), large("k2"), large("k3"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, fragment := range []bool{true, false} {
		var shapes [2]string
		for i, conn := range conns {
			shapes[i] = shapeOf(t, conn, fragment)
		}
		if shapes[0] != shapes[1] || strings.Contains(shapes[0], "true") != fragment {
			t.Errorf("fragment %v: etcd sends %s, quoin %s", fragment, shapes[0], shapes[1])
		}
	}
}

// shapeOf watches the second transaction from the past, with the values before it, and tells how the replies were cut.
func shapeOf(t *testing.T, conn *grpc.ClientConn, fragment bool) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := pb.NewWatchClient(conn).Watch(ctx, grpc.MaxCallRecvMsgSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	create := &pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("l"), StartRevision: 3, PrevKv: true, Fragment: fragment}
	if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
		t.Fatal(err)
	}
	shape := ""
	for events := 0; events < 3; {
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		events += len(r.Events)
		shape += fmt.Sprintf("[%d events, fragment %v]", len(r.Events), r.Fragment)
	}
	return shape
}
