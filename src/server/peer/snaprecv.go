package peer

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"
)

// serveSnapshot stores the database of a snapshot and hands its message to raft. The database streams from the
// connection into the directory; it is never in memory as a whole.
func (t *Transport) serveSnapshot(w http.ResponseWriter, r *http.Request) {
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
	select {
	case t.receiving <- struct{}{}:
		defer func() { <-t.receiving }()
	default:
		http.Error(w, "too many snapshots are being received", http.StatusInternalServerError)
		return
	}
	ended := t.observer.SnapshotReceive(from)
	code, err := t.receiveSnapshot(w, r, from)
	ended(err == nil)
	if err != nil {
		t.observer.ReceiveFailed(from)
		t.log.Warn("could not receive a snapshot", zap.String("remote-peer-id", formatID(from)), zap.Error(err))
		http.Error(w, err.Error(), code)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// receiveSnapshot returns the status for an error.
func (t *Transport) receiveSnapshot(w http.ResponseWriter, r *http.Request, from uint64) (int, error) {
	// The envelope and the database share one reader, whose buffer may already hold the start of the latter.
	body, release := t.limitBody(w, r, t.cfg.SnapshotLimitBytes+maxEnvelopeBytes)
	defer release()
	frames := newFrameReader(body)
	m, err := readSized(frames, maxEnvelopeBytes)
	if err != nil {
		return http.StatusBadRequest, fmt.Errorf("failed to decode raft message (%w)", err)
	}
	if m.GetType() != raftpb.MsgSnap || m.GetSnapshot() == nil {
		return http.StatusBadRequest, fmt.Errorf("wrong raft message type %s", m.GetType())
	}
	if err := t.checkSnapshot(m); err != nil {
		return http.StatusInternalServerError, err
	}
	return t.storeSnapshot(r, m, frames, from)
}

// checkSnapshot refuses, before anything is stored, what raft would not take.
func (t *Transport) checkSnapshot(m *raftpb.Message) error {
	if err := checkAddressed(m, t.local); err != nil {
		return err
	}
	if t.cfg.Raft.IsRemoved(m.GetFrom()) {
		return errRemoved
	}
	return nil
}

func (t *Transport) storeSnapshot(r *http.Request, m *raftpb.Message, frames *frameReader, from uint64) (int, error) {
	index, started := m.GetSnapshot().GetMetadata().GetIndex(), time.Now()
	log := t.log.With(zap.String("remote-peer-id", formatID(from)), zap.Uint64("snapshot-index", index))
	log.Info("receiving database snapshot")
	n, err := t.cfg.SnapshotDir.SaveDB(&countedReader{r: frames.r, count: func(n int) { t.observer.Received(from, n) }}, index)
	if err != nil {
		return http.StatusInternalServerError, fmt.Errorf("failed to save the database of a snapshot (%w)", err)
	}
	log.Info("received and saved database snapshot", zap.Int64("bytes", n), zap.Duration("took", time.Since(started)))
	ctx, stop := t.requestContext(r)
	defer stop()
	if err := t.cfg.Raft.Process(ctx, m); err != nil {
		return http.StatusInternalServerError, fmt.Errorf("failed to process raft message (%w)", err)
	}
	return 0, nil
}

// countedReader tells how many bytes went through.
type countedReader struct {
	r     io.Reader
	count func(int)
}

// Read implements io.Reader.
func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.count(n)
	return n, err
}
