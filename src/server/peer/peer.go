package peer

import (
	"context"
	"errors"
	"net/url"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"
)

// peer is another member of the cluster: the two streams in each direction, the pipeline beside them, and the queues of
// what was received.
type peer struct {
	t      *Transport
	id     uint64
	urls   *urlPicker
	log    *zap.Logger
	status *linkStatus

	ctx    context.Context // ends when the peer is removed or the transport stops
	cancel context.CancelFunc

	appWriter     *streamWriter
	messageWriter *streamWriter
	pipeline      *pipeline

	received  chan *raftpb.Message
	proposals chan *raftpb.Message // apart, since raft may make a proposal wait for a leader
}

func newPeer(t *Transport, id uint64, urls []*url.URL) *peer {
	p := &peer{
		t: t, id: id, urls: &urlPicker{urls: urls},
		log:       t.log.With(zap.String("remote-peer-id", formatID(id))),
		received:  make(chan *raftpb.Message, receiveQueueLen),
		proposals: make(chan *raftpb.Message, receiveQueueLen),
	}
	p.ctx, p.cancel = context.WithCancel(t.ctx)
	p.status = &linkStatus{id: id, log: p.log, observer: t.observer}
	p.appWriter = newStreamWriter(p, streamApp)
	p.messageWriter = newStreamWriter(p, streamMessage)
	p.pipeline = newPipeline(t, p.ctx, id, p.urls, p.log)
	return p
}

// start runs the peer's goroutines. The transport's mutex is held.
func (p *peer) start() {
	for _, run := range []func(){
		p.appWriter.run, p.messageWriter.run,
		newStreamReader(p, streamApp).run, newStreamReader(p, streamMessage).run,
		func() { p.process(p.received) }, func() { p.process(p.proposals) },
		newProber(p).run,
	} {
		p.t.work.Go(run)
	}
	p.log.Info("started remote peer")
}

// send queues m on the best way that is open. A full queue loses the message rather than sending it another way, which
// would only overtake what waits.
func (p *peer) send(m *raftpb.Message) {
	result := offerClosed
	if m.GetType() == raftpb.MsgApp {
		result = p.appWriter.offer(m)
	}
	if result == offerClosed {
		result = p.messageWriter.offer(m)
	}
	if result == offerClosed {
		result = p.pipeline.offer(m)
	}
	if result == offerFull {
		p.dropped(m)
	}
}

// dropped accounts for a message that found its queue full.
func (p *peer) dropped(m *raftpb.Message) {
	p.t.observer.SendFailed(p.id)
	p.t.reports.lost(p.id)
	p.t.notSent(m)
	p.log.Debug("dropped a message, since the queue to the peer is full", zap.Stringer("message-type", m.GetType()))
}

// deliver queues a message that a stream has brought. It never waits: raft repeats what gets lost, but a reader that
// waits would let the link time out.
func (p *peer) deliver(m *raftpb.Message) {
	if err := checkReceived(m, p.t.local); err != nil {
		p.t.observer.ReceiveFailed(p.id)
		p.log.Warn("dropped a received message", zap.Error(err))
		return
	}
	queue := p.received
	if m.GetType() == raftpb.MsgProp {
		queue = p.proposals
	}
	select {
	case queue <- m:
	default:
		p.t.observer.ReceiveFailed(p.id)
		p.log.Warn("dropped a received message, since raft is overloaded", zap.Stringer("message-type", m.GetType()))
	}
}

func (p *peer) process(queue <-chan *raftpb.Message) {
	for {
		select {
		case m := <-queue:
			if err := p.t.cfg.Raft.Process(p.ctx, m); err != nil && !errors.Is(err, context.Canceled) {
				p.log.Warn("raft did not take a message", zap.Stringer("message-type", m.GetType()), zap.Error(err))
			}
		case <-p.ctx.Done():
			return
		}
	}
}

// remote is a member known only from its requests; it can be answered over the pipeline and sent a snapshot.
type remote struct {
	id       uint64
	urls     *urlPicker
	ctx      context.Context
	cancel   context.CancelFunc
	pipeline *pipeline
}

func newRemote(t *Transport, id uint64, urls []*url.URL) *remote {
	r := &remote{id: id, urls: &urlPicker{urls: urls}}
	r.ctx, r.cancel = context.WithCancel(t.ctx)
	r.pipeline = newPipeline(t, r.ctx, id, r.urls, t.log.With(zap.String("remote-peer-id", formatID(id))))
	return r
}

func (r *remote) send(m *raftpb.Message) {
	if r.pipeline.offer(m) == offerFull {
		r.pipeline.dropped(m)
		r.pipeline.t.notSent(m)
	}
}
