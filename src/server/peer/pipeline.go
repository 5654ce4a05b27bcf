package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/api/raftwire"
)

// pipeline posts single messages to a member that has no stream up. Its workers start with the first message.
type pipeline struct {
	t     *Transport
	ctx   context.Context
	id    uint64
	urls  *urlPicker
	log   *zap.Logger
	queue chan *raftpb.Message
	start sync.Once
}

func newPipeline(t *Transport, ctx context.Context, id uint64, urls *urlPicker, log *zap.Logger) *pipeline {
	return &pipeline{t: t, ctx: ctx, id: id, urls: urls, log: log, queue: make(chan *raftpb.Message, pipelineQueueLen)}
}

func (p *pipeline) offer(m *raftpb.Message) offered {
	p.start.Do(func() {
		for range pipelineWorkers {
			p.t.spawn(p.run)
		}
	})
	select {
	case p.queue <- m:
		return offerTaken
	default:
		return offerFull
	}
}

func (p *pipeline) run() {
	for {
		select {
		case m := <-p.queue:
			if err := p.post(m); err != nil && p.ctx.Err() == nil {
				p.dropped(m)
				if unconnected := new(unconnectedError); errors.As(err, &unconnected) {
					p.t.notSent(m)
				}
				p.log.Debug("could not post a message", zap.Stringer("message-type", m.GetType()), zap.Error(err))
			}
		case <-p.ctx.Done():
			return
		}
	}
}

// dropped accounts for a lost message.
func (p *pipeline) dropped(*raftpb.Message) {
	p.t.observer.SendFailed(p.id)
	p.t.reports.lost(p.id)
}

func (p *pipeline) post(m *raftpb.Message) error {
	data := raftwire.AppendMessage(make([]byte, 0, raftwire.SizeMessage(m)), m)
	c := p.t.cfg
	ctx, cancel := context.WithTimeout(p.ctx, c.DialTimeout+c.WriteTimeout+c.ReadTimeout)
	defer cancel()
	base := p.urls.current()
	req := p.t.client.request(ctx, http.MethodPost, base, pathRaft, bytes.NewReader(data))
	req.Header.Set("Content-Type", "application/protobuf")
	if err := p.t.do(req, p.id); err != nil {
		p.urls.failed(base)
		return err
	}
	p.t.observer.Sent(p.id, len(data))
	return nil
}

// do sends a post to member id and returns nil when it was taken. A member that answers 403 has removed the local one.
func (t *Transport) do(req *http.Request, id uint64) error {
	res, err := t.client.posts.RoundTrip(req)
	if err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusNoContent, http.StatusOK:
		// Reading to the end lets the connection be used again.
		_, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxReplyBytes))
		return errors.Join(err, res.Body.Close())
	case http.StatusForbidden:
		err = refusal(res)
		t.memberRemoved(id)
		return err
	default:
		return refusal(res)
	}
}
