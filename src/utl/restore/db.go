package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/roster"
	"quoin.dev/storage/schema"
	"quoin.dev/utl/storefile"
)

// firstTerm is the term of the founders' entries.
const firstTerm = 1

// copyDB takes the database out of the snapshot.
func (m *member) copyDB(ctx context.Context, snapshot *os.File, name string) (err error) {
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	info, err := snapshot.Stat()
	if err != nil {
		return err
	}
	err = storefile.CopyChecked(&interruptible{to, ctx}, snapshot, !m.SkipHashCheck, m.Progress("copying", info.Size()))
	var sum *storefile.ChecksumError
	if errors.As(err, &sum) {
		m.Logger.Error("the snapshot is not what was saved: use another one; with --skip-hash-check its pages and rows are checked and nothing else",
			zap.String("path", m.Snapshot))
	}
	return err
}

// interruptible ends a copy when the context does.
type interruptible struct {
	io.Writer
	ctx context.Context
}

func (w *interruptible) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, errInterrupted
	}
	return w.Writer.Write(p)
}

// rewriteDB makes the database that of the first member of a new cluster.
func (m *member) rewriteDB(name string) (err error) {
	b, err := backend.Open(backend.Options{Path: name, MmapBytes: m.MmapBytes})
	if err != nil {
		return storefile.Explain(m.Snapshot, err, m.Logger)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	summary, err := storefile.Check(b)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Snapshot, err)
	}
	m.Logger.Info("Trimming membership information from the backend...")
	v := b.View()
	err = schema.ClearMembership(v, b)
	v.Close()
	if err != nil {
		return err
	}
	if m.BumpRevision > 0 {
		if err := m.bump(b, summary.Revision); err != nil {
			return err
		}
	}
	for _, founder := range m.founders {
		schema.PutMember(b, founder)
		m.Logger.Info("added member", zap.String("cluster-id", roster.FormatID(m.cluster)), zap.String("local-member-id", "0"),
			zap.String("added-peer-id", roster.FormatID(founder.ID)), zap.Strings("added-peer-peer-urls", founder.PeerURLs),
			zap.Bool("added-peer-is-learner", founder.IsLearner))
	}
	b.CommitNewLog(backend.Applied{Index: uint64(len(m.founders)), Term: firstTerm, ConfState: m.confState()})
	return b.Flush()
}

// bump adds a row without content, which moves the revision and nothing else.
func (m *member) bump(b *backend.Backend, latest int64) error {
	next, err := m.bumped(latest)
	if err != nil {
		return err
	}
	m.Logger.Info("bumping latest revision", zap.Int64("latest-revision", latest), zap.Uint64("bump-amount", m.BumpRevision),
		zap.Int64("new-latest-revision", next))
	b.PutRevision(backend.Revision{Main: next}, false, []byte{})
	m.Logger.Info("marking revision compacted", zap.Int64("revision", next))
	schema.PutScheduledCompaction(b, next)
	return nil
}

func (m *member) confState() *raftpb.ConfState {
	return &raftpb.ConfState{Voters: roster.IDs(m.founders)}
}
