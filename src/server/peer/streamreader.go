package peer

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// streamReader keeps one stream of a peer dialled and reads it.
type streamReader struct {
	p    *peer
	kind streamKind
	log  *zap.Logger
	// complaint is the last error that was logged, so that a member which is down fills no log.
	complaint string
}

func newStreamReader(p *peer, kind streamKind) *streamReader {
	return &streamReader{p: p, kind: kind, log: p.log.With(zap.String("stream", string(kind)))}
}

// run dials, reads and dials again, at most once per redialInterval, until the peer is removed or says that the local
// member was.
func (r *streamReader) run() {
	broken := false // the stream was up, and nobody has been told yet that the peer may be gone
	for {
		again := time.After(redialInterval)
		body, err := r.dial()
		if broken && errors.Is(err, syscall.ECONNREFUSED) && r.p.status.activeSince().IsZero() {
			broken = false
			r.p.t.cfg.Raft.ReportGone(r.p.id)
		}
		if err == nil {
			broken = true
			r.complaint = ""
			r.p.status.streamUp()
			err = r.read(body)
			body.Close()
			r.p.status.streamDown(err)
		}
		if r.p.ctx.Err() != nil {
			return
		}
		if errors.Is(err, errRemoved) {
			r.p.t.memberRemoved(r.p.id)
			return
		}
		r.complain(err)
		select {
		case <-again:
		case <-r.p.ctx.Done():
			return
		}
	}
}

func (r *streamReader) complain(err error) {
	if text := err.Error(); text != r.complaint {
		r.complaint = text
		r.log.Warn("stream from peer is down", zap.Error(err))
	}
}

// dial asks the peer for its stream and returns the endless body of the answer.
func (r *streamReader) dial() (io.ReadCloser, error) {
	base := r.p.urls.current()
	path := pathStream + "/" + string(r.kind) + "/" + formatID(r.p.t.local)
	req := r.p.t.client.request(r.p.ctx, http.MethodGet, base, path, nil)
	req.Header.Set(headerTo, formatID(r.p.id))
	res, err := r.p.t.client.streams.RoundTrip(req)
	if err != nil {
		r.p.urls.failed(base)
		return nil, err
	}
	switch {
	case res.StatusCode == http.StatusGone:
		res.Body.Close()
		return nil, errRemoved
	case res.StatusCode != http.StatusOK:
		r.p.urls.failed(base)
		return nil, refusal(res)
	case !r.p.t.canRead(res.Header):
		res.Body.Close()
		r.p.urls.failed(base)
		return nil, errIncompatibleVersion
	}
	r.p.status.answeredAs(res.Header.Get(headerSoftware))
	return res.Body, nil
}

// read delivers the messages of a stream until it breaks; it never returns nil.
func (r *streamReader) read(body io.Reader) error {
	frames := newFrameReader(body)
	dec := r.newDecoder(frames)
	for {
		m, err := dec.decode()
		if err != nil {
			if r.p.ctx.Err() == nil && err != io.EOF {
				r.p.t.observer.ReceiveFailed(r.p.id)
			}
			return err
		}
		r.p.t.observer.Received(r.p.id, frames.taken)
		frames.taken = 0
		if !isLinkHeartbeat(m) {
			r.p.deliver(m)
		}
	}
}

func (r *streamReader) newDecoder(frames *frameReader) decoder {
	if r.kind == streamApp {
		return &appDecoder{frames: frames, local: r.p.t.local, remote: r.p.id}
	}
	return &messageDecoder{frames: frames}
}
