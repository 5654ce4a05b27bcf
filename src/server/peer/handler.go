package peer

import (
	"errors"
	"io"
	"net/http"
	"path"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/api/raftwire"
)

// only lets one method through.
func only(method string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		h(w, r)
	}
}

// admit checks the headers that all raft requests share; on false the answer is written.
func (t *Transport) admit(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set(headerCluster, formatID(t.cluster))
	err := t.check(r.Header)
	if err == nil {
		return true
	}
	t.log.Warn("refused a request of another member", zap.String("path", r.URL.Path),
		zap.String("remote-peer-id", r.Header.Get(headerFrom)), zap.String("remote-peer-address", r.RemoteAddr),
		zap.String("remote-peer-server-version", r.Header.Get(headerVersion)),
		zap.String("remote-peer-cluster-id", r.Header.Get(headerCluster)), zap.Error(err))
	http.Error(w, err.Error(), http.StatusPreconditionFailed)
	return false
}

// sender is the id in the X-Server-From header, 0 when there is none.
func sender(h http.Header) uint64 {
	id, err := parseID(h.Get(headerFrom))
	if err != nil {
		return 0
	}
	return id
}

// serveStream gives a response body to the writer of the peer that asks for it, and keeps it open until the writer lets go.
func (t *Transport) serveStream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(headerVersion, t.version.String())
	if t.cfg.Software != "" {
		w.Header().Set(headerSoftware, t.cfg.Software)
	}
	if !t.admit(w, r) {
		return
	}
	p, kind, code, reason := t.streamPeer(r)
	if p == nil {
		http.Error(w, reason, code)
		return
	}
	if !t.enter() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	defer t.work.Done()
	writer := p.messageWriter
	if kind == streamApp {
		writer = p.appWriter
	}
	control := http.NewResponseController(w)
	// The stream outlives any timeout of the server; each write sets its own deadline.
	_ = control.SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	if err := control.Flush(); err != nil {
		return
	}
	writer.serve(w, r)
}

// streamPeer finds whom a stream request comes from, or says how to refuse it.
func (t *Transport) streamPeer(r *http.Request) (p *peer, kind streamKind, code int, reason string) {
	switch path.Dir(r.URL.Path) {
	case pathStream + "/" + string(streamMessage):
		kind = streamMessage
	case pathStream + "/" + string(streamApp):
		kind = streamApp
	default:
		return nil, "", http.StatusNotFound, "invalid path"
	}
	id, err := parseID(path.Base(r.URL.Path))
	if err != nil {
		return nil, "", http.StatusNotFound, "invalid from"
	}
	if t.cfg.Raft.IsRemoved(id) {
		return nil, "", http.StatusGone, errRemoved.Error()
	}
	p = t.directory.Load().peers[id]
	if p == nil {
		// A member that was added while the local one lags behind: being able to answer it helps to catch up.
		t.addSender(r.Header, id)
		return nil, "", http.StatusNotFound, "error sender not found"
	}
	if r.Header.Get(headerTo) != formatID(t.local) {
		return nil, "", http.StatusPreconditionFailed, "to field mismatch"
	}
	return p, kind, 0, ""
}

// servePost hands one posted message to raft.
func (t *Transport) servePost(w http.ResponseWriter, r *http.Request) {
	if !t.admit(w, r) {
		return
	}
	if !t.enter() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	defer t.work.Done()
	from := sender(r.Header)
	t.addSender(r.Header, from)
	m, err := t.readPosted(w, r)
	if err != nil {
		t.observer.ReceiveFailed(from)
		t.log.Warn("could not read a posted message", zap.String("remote-peer-id", formatID(from)), zap.Error(err))
		reason := "error reading raft message"
		if errors.Is(err, raftwire.ErrMalformed) {
			reason = "error unmarshalling raft message"
		}
		http.Error(w, reason, http.StatusBadRequest)
		return
	}
	if err := t.processPosted(r, m); err != nil {
		t.observer.ReceiveFailed(from)
		t.log.Warn("could not process a posted message", zap.String("remote-peer-id", formatID(from)),
			zap.Stringer("message-type", m.GetType()), zap.Error(err))
		http.Error(w, "error processing raft message", http.StatusInternalServerError)
		// The other end is told by the status, and by the broken connection if it does not look at that.
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (t *Transport) readPosted(w http.ResponseWriter, r *http.Request) (*raftpb.Message, error) {
	body, release := t.limitBody(w, r, maxFrameBytes)
	defer release()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	t.observer.Received(sender(r.Header), len(data))
	m := new(raftpb.Message)
	return m, raftwire.UnmarshalMessage(data, m)
}

func (t *Transport) processPosted(r *http.Request, m *raftpb.Message) error {
	if err := checkReceived(m, t.local); err != nil {
		return err
	}
	if t.cfg.Raft.IsRemoved(m.GetFrom()) {
		return errRemoved
	}
	ctx, stop := t.requestContext(r)
	defer stop()
	return t.cfg.Raft.Process(ctx, m)
}
