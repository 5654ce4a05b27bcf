// Package restore makes the data directory of a founding member out of a snapshot.
//
// Everything is built beside its place and gets its name in the end, the data directory's content last: until then a start
// finds no member in it. What is given a name is durable by then.
package restore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"quoin.dev/pkg/clusterurl"
	"quoin.dev/pkg/vfs"
	"quoin.dev/storage/roster"
	"quoin.dev/utl/storefile"
)

// Options of a restore, named like the flags.
type Options struct {
	Snapshot       string
	Name           string
	DataDir        string // "" means NAME.etcd
	WALDir         string // "" means below the data directory
	PeerURLs       []string
	InitialCluster string
	Token          string

	SkipHashCheck bool
	// BumpRevision is added to the revision, and what lies below is marked compacted: so that those who have seen later
	// revisions than the snapshot holds meet none of them again with another content. (etcd#16028, etcd#16029)
	BumpRevision  uint64
	MarkCompacted bool
	MmapBytes     uint64

	Logger *zap.Logger
	// Progress makes the callback that is told about the work called what, of so many bytes.
	Progress func(what string, total int64) func(done int64)
}

// ErrBump is the answer to a bump that is not marked as compacted, or the other way round. The text is etcdutl's.
var ErrBump = errors.New("--mark-compacted required if --revision-bump > 0")

const (
	unfinished             = ".restoring" // suffix of what is being built
	dirPerm    os.FileMode = 0o700
)

// member is what is to be made, and where.
type member struct {
	Options
	founders []roster.Member
	self     roster.Member
	cluster  uint64
	dir      string // DATADIR/member.restoring
	wal      string // while it is built
}

// Run restores. When it fails or ctx ends, nothing is left behind.
func Run(ctx context.Context, o Options) error {
	if (o.BumpRevision > 0) != o.MarkCompacted {
		return ErrBump
	}
	m, err := plan(o)
	if err != nil {
		return err
	}
	place := []zap.Field{
		zap.String("path", m.Snapshot), zap.String("wal-dir", m.WALDir), zap.String("data-dir", m.DataDir),
		zap.String("snap-dir", filepath.Join(m.DataDir, "member", "snap")), zap.Uint64("initial-memory-map-size", m.MmapBytes),
	}
	m.Logger.Info("restoring snapshot", place...)
	snapshot, err := os.Open(m.Snapshot)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	if info, err := snapshot.Stat(); err != nil {
		return err
	} else if !storefile.HasChecksum(info.Size()) && !m.SkipHashCheck {
		return errors.New("snapshot missing hash but --skip-hash-check=false")
	}
	if err := m.build(ctx, snapshot); err != nil {
		return err
	}
	m.Logger.Info("restored snapshot", place...)
	return nil
}

// plan checks what can be checked before anything is written.
func plan(o Options) (*member, error) {
	if o.DataDir == "" {
		o.DataDir = o.Name + ".etcd"
	}
	m := &member{Options: o, dir: filepath.Join(o.DataDir, "member"+unfinished)}
	m.wal = filepath.Join(m.dir, "wal")
	if o.WALDir == "" {
		m.WALDir = filepath.Join(o.DataDir, "member", "wal")
	} else {
		m.wal = filepath.Clean(o.WALDir) + unfinished
	}
	if err := m.found(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(o.DataDir)
	if len(entries) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		for _, e := range entries {
			if e.Name() == filepath.Base(m.dir) {
				o.Logger.Error("a restore that was killed has left something, or one runs right now: remove it if none does", zap.String("path", m.dir))
			}
		}
		return nil, fmt.Errorf("data-dir %q not empty or could not be read", o.DataDir)
	}
	if o.WALDir != "" {
		for _, dir := range []string{o.WALDir, m.wal} {
			if !errors.Is(statError(dir), os.ErrNotExist) {
				return nil, fmt.Errorf("wal-dir %q exists", dir)
			}
		}
	}
	return m, nil
}

// found reads who founds the cluster, and who of them this member is.
func (m *member) found() (err error) {
	if m.founders, err = roster.ParseFounders(m.InitialCluster, m.Token); err != nil {
		return err
	}
	advertised, err := clusterurl.ParseList(m.PeerURLs)
	if err != nil {
		return err
	}
	var urls []string
	for _, u := range advertised {
		urls = append(urls, u.String())
	}
	i := slices.IndexFunc(m.founders, func(f roster.Member) bool { return f.Name == m.Name })
	if i < 0 {
		return fmt.Errorf("couldn't find local name %q in the initial cluster configuration", m.Name)
	}
	m.self, m.cluster = m.founders[i], roster.ClusterID(roster.IDs(m.founders))
	return m.compareURLs(urls)
}

// compareURLs wants the same URLs in both flags, as text: names are not looked up, since the network of the machine on which
// a directory is made may not be that of the member.
func (m *member) compareURLs(advertised []string) error {
	var missing, extra []string
	for _, u := range m.self.PeerURLs {
		if !slices.Contains(advertised, u) {
			missing = append(missing, m.Name+"="+u)
		}
	}
	for _, u := range advertised {
		if !slices.Contains(m.self.PeerURLs, u) {
			extra = append(extra, u)
		}
	}
	switch {
	case len(missing) > 0:
		return fmt.Errorf("--initial-cluster has %s but missing from --initial-advertise-peer-urls=%s",
			strings.Join(missing, ","), strings.Join(advertised, ","))
	case len(extra) > 0:
		return fmt.Errorf("--initial-advertise-peer-urls has %s but missing from --initial-cluster=%s", strings.Join(extra, ","), m.InitialCluster)
	}
	return nil
}

// build makes the directories and names them. It cleans up after itself.
func (m *member) build(ctx context.Context, snapshot *os.File) (err error) {
	fresh := errors.Is(statError(m.DataDir), os.ErrNotExist)
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, os.RemoveAll(m.dir), os.RemoveAll(m.wal))
		if fresh {
			_ = os.Remove(m.DataDir) // only if nobody has put something there meanwhile
		}
	}()
	snap := filepath.Join(m.dir, "snap")
	for _, dir := range []string{snap, filepath.Dir(m.wal)} {
		if err := vfs.MkdirAll(vfs.OS(), dir, dirPerm); err != nil {
			return fmt.Errorf("make the directories: %w", err)
		}
	}
	db := filepath.Join(snap, "db")
	if err := m.copyDB(ctx, snapshot, db); err != nil {
		return err
	}
	if err := m.rewriteDB(db); err != nil {
		return err
	}
	if err := m.writeLog(snap); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return errInterrupted
	}
	return m.name()
}

var errInterrupted = errors.New("interrupted: nothing was restored")

func statError(path string) error {
	_, err := os.Stat(path)
	return err
}

// name gives everything its name, the place where a start looks last.
func (m *member) name() error {
	fsys := vfs.OS()
	if m.wal != filepath.Join(m.dir, "wal") {
		if err := os.Rename(m.wal, m.WALDir); err != nil {
			return err
		}
		if err := fsys.SyncDir(filepath.Dir(m.WALDir)); err != nil {
			return err
		}
	}
	if err := os.Rename(m.dir, filepath.Join(m.DataDir, "member")); err != nil {
		if m.wal != filepath.Join(m.dir, "wal") {
			err = errors.Join(err, os.RemoveAll(m.WALDir))
		}
		return err
	}
	return fsys.SyncDir(m.DataDir)
}

// bumped is the revision after the bump.
func (m *member) bumped(revision int64) (int64, error) {
	if m.BumpRevision > uint64(math.MaxInt64-revision) {
		return 0, fmt.Errorf("--bump-revision=%d leads from revision %d beyond the largest one, %d: choose a smaller one",
			m.BumpRevision, revision, int64(math.MaxInt64))
	}
	return revision + int64(m.BumpRevision), nil
}
