package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/member"
	"quoin.dev/server/watch"
)

// Field numbers of WatchResponse; events are fields already.
const (
	watchIDField              = 2
	watchCreatedField         = 3
	watchCanceledField        = 4
	watchCompactRevisionField = 5
	watchCancelReasonField    = 6
	watchFragmentField        = 7
)

// sharedFrameBytes is from which size on an event is not copied.
const sharedFrameBytes = 1 << 10

// progressJitter is how much later than its interval progress may be told, as part of the interval: streams that were opened
// together shall not speak together.
const progressJitter = 10

// watchServer serves etcdserverpb.Watch.
type watchServer struct {
	pb.UnimplementedWatchServer
	identity
	progress time.Duration // how often a watch that is quiet hears of the revision
	meter    *Meter
	audits   *auditor
}

// watchSender writes the replies of one stream.
type watchSender struct {
	client grpc.ServerStream
	m      *member.Member
	// header is the encoded header of the last reply; the next ones mostly have the same.
	header   []byte
	revision int64
	term     uint64
}

// Watch serves one client stream: one goroutine reads requests, this one sends replies.
func (s *watchServer) Watch(client grpc.BidiStreamingServer[pb.WatchRequest, pb.WatchResponse]) error {
	stream := s.m.NewWatchStream()
	defer stream.Close()
	trusted, untrust := s.m.WhileTrusted(client.Context())
	defer untrust()
	ctx, stop := context.WithCancelCause(trusted)
	defer stop(nil)
	go func() {
		// Who has nothing more to ask may still listen.
		if err := s.receive(ctx, client, stream); !errors.Is(err, io.EOF) {
			stop(err)
		}
	}()
	ticker := time.NewTicker(s.progress + rand.N(s.progress/progressJitter))
	defer ticker.Stop()
	sender := watchSender{client: client, m: s.m}
	for {
		reply, err := stream.Next(ctx, ticker.C)
		if err == nil {
			err = s.m.Trusted()
		}
		if err == nil {
			begun := time.Now()
			err = sender.send(&reply)
			s.meter.Watch.sent(&reply, time.Since(begun))
		} else {
			err = context.Cause(ctx)
		}
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			return rpctypes.ErrGRPCWatchCanceled
		default:
			return toWire(err)
		}
	}
}

// receive handles requests until the client has no more.
func (s *watchServer) receive(ctx context.Context, client grpc.BidiStreamingServer[pb.WatchRequest, pb.WatchResponse], stream *watch.Stream) error {
	for {
		if err := stream.Ready(ctx); err != nil {
			return err
		}
		r, err := client.Recv()
		if err != nil {
			return err
		}
		refused := toWire(s.mayWatch(ctx, r.GetCreateRequest()))
		if r.GetCreateRequest() != nil {
			s.audits.tell(ctx, pb.Watch_Watch_FullMethodName, r.GetCreateRequest(), nil, refused)
		}
		err = s.m.Read(func(state *apply.State) error {
			now := state.KV.Revision()
			switch {
			case refused != nil:
				stream.Refuse(refused.Error(), now)
			case r.GetCreateRequest() != nil:
				create(stream, r.GetCreateRequest(), now, state.KV.CompactRevision())
			case r.GetCancelRequest() != nil:
				stream.Cancel(r.GetCancelRequest().WatchId, now)
			case r.GetProgressRequest() != nil:
				stream.Progress()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// mayWatch decides about a new watcher, nil for any other request. What is decided holds for as long as it watches. A negative
// revision is refused for itself, whoever asks.
func (s *watchServer) mayWatch(ctx context.Context, r *pb.WatchCreateRequest) error {
	if r == nil || r.StartRevision < 0 || !s.m.Auth().Enabled() {
		return nil
	}
	who, err := s.of(ctx)
	if err != nil {
		return err
	}
	key := r.Key
	if len(key) == 0 {
		key = []byte{0} // as the watch does
	}
	return s.m.Permit(ctx, who, func(v *auth.View, who auth.Identity) error { return v.Read(who, key, r.RangeEnd) })
}

// create adds a watcher, or answers why there is none.
func create(stream *watch.Stream, r *pb.WatchCreateRequest, now, compacted int64) {
	o := watch.Options{
		Key: r.Key, End: r.RangeEnd, ID: r.WatchId, Start: r.StartRevision,
		PrevKV: r.PrevKv, Fragment: r.Fragment, Progress: r.ProgressNotify,
	}
	for _, f := range r.Filters {
		o.NoPut = o.NoPut || f == pb.WatchCreateRequest_NOPUT
		o.NoDelete = o.NoDelete || f == pb.WatchCreateRequest_NODELETE
	}
	if r.StartRevision < 0 {
		stream.Refuse(rpctypes.ErrCompacted.Error(), now)
		return
	}
	if err := stream.Watch(o, now, compacted); err != nil {
		stream.Refuse(err.Error(), now)
	}
}

// send writes one reply, in parts if it is large and the watcher takes that.
func (s *watchSender) send(r *watch.Reply) error {
	most := s.m.MaxRequestBytes() + OverheadBytes
	frames := r.Frames
	for {
		n, more := len(frames), false
		if r.Fragment {
			n = part(frames, most)
			more = n < len(frames)
		}
		if err := s.client.SendMsg(s.message(r, frames[:n], more)); err != nil || !more {
			return err
		}
		frames = frames[n:]
	}
}

// part is how many frames go into a message that is smaller than most bytes: one at least.
func part(frames [][]byte, most int) int {
	bytes := 0
	for i, f := range frames {
		if bytes += len(f); bytes >= most && i > 0 {
			return i
		}
	}
	return len(frames)
}

// message encodes a reply. A frame that is alone or large is sent as it is; small ones are copied together.
func (s *watchSender) message(r *watch.Reply, frames [][]byte, more bool) *spliced {
	header := s.encodedHeader(r.Revision)
	size := len(header) + 2*binary.MaxVarintLen64 + len(r.Reason)
	shared := func(f []byte) bool { return len(frames) == 1 || len(f) >= sharedFrameBytes }
	for _, f := range frames {
		if !shared(f) {
			size += len(f)
		}
	}
	// Many small replies wait at once: each takes the memory that it needs, and only a large one goes into pooled pieces.
	m := &spliced{piece: make([]byte, 0, min(size, pieceBytes-1))}
	m.write(header)
	m.number(watchIDField, r.ID)
	m.flag(watchCreatedField, r.Created)
	m.flag(watchCanceledField, r.Canceled)
	m.number(watchCompactRevisionField, r.CompactRevision)
	if r.Reason != "" {
		m.write(protowire.AppendString(protowire.AppendTag(nil, watchCancelReasonField, protowire.BytesType), r.Reason))
	}
	m.flag(watchFragmentField, more)
	for _, f := range frames {
		if shared(f) {
			m.share(f)
		} else {
			m.write(f)
		}
	}
	return m
}

// encodedHeader is the header of a reply as its first field.
func (s *watchSender) encodedHeader(revision int64) []byte {
	h := pb.ResponseHeader{Revision: revision}
	s.m.FillHeader(&h)
	if s.header == nil || s.revision != revision || s.term != h.RaftTerm {
		var m spliced
		m.header(&h)
		s.header, s.revision, s.term = m.piece, revision, h.RaftTerm
	}
	return s.header
}
