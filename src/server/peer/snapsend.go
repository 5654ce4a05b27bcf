package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"
)

var (
	errShortDatabase = errors.New("the snapshot's database is shorter than announced")
	errBodyClosed    = errors.New("the snapshot's body is closed")
)

// SendSnapshot sends the snapshot message m with size bytes of its database, and returns without waiting. The end is
// reported to Raft.ReportSnapshot unless the transport has stopped, and db is closed exactly once, before the report. At
// most 16 snapshots are sent at a time; more fail at once.
func (t *Transport) SendSnapshot(m *raftpb.Message, db io.ReadCloser, size int64) {
	to := m.GetTo()
	refuse := func(why string) {
		t.log.Warn("could not send a snapshot", zap.String("remote-peer-id", formatID(to)), zap.String("reason", why))
		db.Close()
		t.observer.SendFailed(to)
		t.reports.snapshot(to, false)
	}
	if _, _, ok := t.route(to); !ok {
		refuse("the member is unknown")
		return
	}
	select {
	case t.sending <- struct{}{}:
	default:
		refuse("too many snapshots are being sent")
		return
	}
	if !t.spawn(func() {
		defer func() { <-t.sending }()
		t.sendSnapshot(m, db, size)
	}) {
		<-t.sending
		db.Close()
	}
}

func (t *Transport) sendSnapshot(m *raftpb.Message, db io.ReadCloser, size int64) {
	to, started := m.GetTo(), time.Now()
	log := t.log.With(zap.String("remote-peer-id", formatID(to)),
		zap.Uint64("snapshot-index", m.GetSnapshot().GetMetadata().GetIndex()), zap.Int64("bytes", size))
	log.Info("sending database snapshot")
	ended := t.observer.SnapshotSend(to)
	err := t.postSnapshot(m, db, size)
	ended(err == nil)
	if err == nil {
		log.Info("sent database snapshot", zap.Duration("took", time.Since(started)))
	} else {
		t.observer.SendFailed(to)
		t.reports.lost(to)
		log.Warn("failed to send database snapshot", zap.Duration("took", time.Since(started)), zap.Error(err))
	}
	t.reports.snapshot(to, err == nil)
}

// postSnapshot returns after db is closed. Progress is bounded by the deadline of each write, and what comes after the
// last byte by snapshotReplyTimeout.
func (t *Transport) postSnapshot(m *raftpb.Message, db io.ReadCloser, size int64) error {
	owner, urls, ok := t.route(m.GetTo())
	if !ok {
		return errors.Join(errors.New("the member was removed"), db.Close())
	}
	base := urls.current()
	ctx, cancel := context.WithCancel(owner)
	defer cancel()
	body := &snapshotBody{
		head: bytes.NewReader(appendSized(nil, m)), db: db, left: size, closed: make(chan struct{}),
		sent:   func(n int) { t.observer.Sent(m.GetTo(), n) },
		giveUp: cancel,
	}
	req := t.client.request(ctx, http.MethodPost, base, pathSnapshot, body)
	req.Header.Set("Content-Type", "application/octet-stream")
	err := t.do(req, m.GetTo())
	if err != nil {
		urls.failed(base)
	}
	// An early answer leaves the HTTP client writing; ending the context stops it, and then it closes the body.
	cancel()
	<-body.closed
	if bad := body.finish(); bad != nil {
		return bad
	}
	return err
}

// snapshotBody is the body of a snapshot post: the framed message, then exactly size bytes of the database. The HTTP
// client may close it while it reads, which a database does not like, so the two exclude each other.
type snapshotBody struct {
	sent   func(int)
	giveUp func() // called snapshotReplyTimeout after the last byte, if finish is not called before
	closed chan struct{}

	mu    sync.Mutex // guards the rest
	head  *bytes.Reader
	db    io.ReadCloser
	left  int64
	done  bool
	err   error
	reply *time.Timer
}

// Read implements io.Reader.
func (b *snapshotBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return 0, errBodyClosed
	}
	n, err := b.read(p)
	b.sent(n)
	switch {
	case err == io.EOF && b.reply == nil:
		b.reply = time.AfterFunc(snapshotReplyTimeout, b.giveUp)
	case err != nil && err != io.EOF:
		b.err = err
	}
	return n, err
}

func (b *snapshotBody) read(p []byte) (int, error) {
	if b.head.Len() > 0 {
		return b.head.Read(p)
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.db.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == io.EOF && b.left > 0:
		return n, fmt.Errorf("%w: %d bytes are missing", errShortDatabase, b.left)
	case err == io.EOF:
		return n, nil
	}
	return n, err
}

// Close implements io.Closer; only the first call reaches the database.
func (b *snapshotBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return nil
	}
	b.done = true
	close(b.closed)
	return b.db.Close()
}

// finish stops waiting for an answer and returns the error of reading the database, nil when there was none.
func (b *snapshotBody) finish() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reply != nil {
		b.reply.Stop()
	}
	return b.err
}
