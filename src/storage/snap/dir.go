// Package snap keeps raft snapshots as files: .snap with the raft snapshot, and .snap.db with a store received from the leader.
package snap

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/api/snappb"
	"quoin.dev/pkg/vfs"
	"quoin.dev/storage/wal"
)

var (
	// ErrNone reports that no usable snapshot is there.
	ErrNone = errors.New("snap: no snapshot")
	// ErrNoDB reports that no store was received for a snapshot.
	ErrNoDB = errors.New("snap: no database file for the snapshot")
	// ErrDamaged reports a .snap file that does not hold what its checksum says.
	ErrDamaged = errors.New("snap: damaged snapshot file")
)

const (
	dirPerm  fs.FileMode = 0o700
	filePerm fs.FileMode = 0o666 // less the umask, as etcd leaves them
	dbPerm   fs.FileMode = 0o600

	// maxFileBytes bounds the .snap file that is read into memory; it holds membership only, some kilobytes.
	maxFileBytes = 512 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Options of a directory of snapshots. The zero value works.
type Options struct {
	FS     vfs.FS      // default: the machine's
	Logger *zap.Logger // default: none
	Meter  *Meter      // default: one that nobody reads
}

// Dir is the snap directory of a member. Its methods may be called from any goroutine.
type Dir struct {
	path   string
	fsys   vfs.FS
	logger *zap.Logger
	meter  *Meter
	temps  atomic.Uint64 // temporary files named so far
}

// Open returns the directory and creates it when it is missing.
func Open(path string, o Options) (*Dir, error) {
	d := &Dir{path: path, fsys: o.FS, logger: o.Logger, meter: o.Meter}
	if d.fsys == nil {
		d.fsys = vfs.OS()
	}
	if d.logger == nil {
		d.logger = zap.NewNop()
	}
	if d.meter == nil {
		d.meter = NewMeter()
	}
	if err := vfs.MkdirAll(d.fsys, path, dirPerm); err != nil {
		return nil, fmt.Errorf("snap: %w", err)
	}
	return d, nil
}

// tempName returns a name that no other writer uses: a leader may send a snapshot again while the first attempt hangs.
func (d *Dir) tempName(name string) string {
	return filepath.Join(d.path, fmt.Sprintf("%s-%d-%s.part", tempPrefix, d.temps.Add(1), name))
}

// Path returns the path of the directory.
func (d *Dir) Path() string { return d.path }

// Save writes a raft snapshot durably, whole or not at all. It must be saved before its record is written to the WAL.
func (d *Dir) Save(s *raftpb.Snapshot) error {
	if raft.IsEmptySnap(s) {
		return errors.New("snap: an empty snapshot cannot be saved")
	}
	begun := time.Now()
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	if err != nil {
		return fmt.Errorf("snap: encode: %w", err)
	}
	file, err := (&snappb.Snapshot{Crc: new(crc32.Checksum(data, castagnoli)), Data: data}).MarshalVT()
	if err != nil {
		return fmt.Errorf("snap: encode: %w", err)
	}
	d.meter.Encode.Since(begun)
	var written time.Time
	name := snapName(s.GetMetadata().GetTerm(), s.GetMetadata().GetIndex())
	err = vfs.WriteFile(d.fsys, filepath.Join(d.path, name), d.tempName(name), filePerm, func(w io.Writer) error {
		_, err := w.Write(file)
		written = time.Now()
		return err
	})
	if err != nil {
		return fmt.Errorf("snap: save: %w", err)
	}
	d.meter.Fsync.Since(written)
	d.meter.Save.Since(begun)
	return nil
}

// Load returns the newest readable snapshot that has one of the given marks, which are the WAL's valid snapshot records.
// Files that cannot be read are renamed to *.broken and an older one is taken. ErrNone: there is none.
func (d *Dir) Load(marks []wal.Mark) (*raftpb.Snapshot, error) {
	names, err := d.list(parseSnapName)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Backward(names) {
		s, err := ReadFile(d.fsys, filepath.Join(d.path, name))
		if errors.Is(err, ErrDamaged) {
			if err := d.setAside(name, err); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(marks, func(m wal.Mark) bool {
			return m.Index == s.GetMetadata().GetIndex() && m.Term == s.GetMetadata().GetTerm()
		}) {
			return s, nil
		}
	}
	return nil, ErrNone
}

func (d *Dir) setAside(name string, reason error) error {
	from := filepath.Join(d.path, name)
	d.logger.Warn("set a damaged snapshot file aside", zap.String("path", from), zap.Error(reason))
	if err := d.fsys.Rename(from, from+brokenSuffix); err != nil {
		return fmt.Errorf("snap: set a damaged file aside: %w", err)
	}
	return nil
}

// ReadFile returns the raft snapshot in a .snap file. Content that cannot be right is an error that wraps ErrDamaged.
func ReadFile(fsys vfs.FS, name string) (*raftpb.Snapshot, error) {
	info, err := fsys.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("snap: %w", err)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, name, info.Size())
	}
	file, err := vfs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("snap: %w", err)
	}
	s, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	return s, nil
}

func decode(file []byte) (*raftpb.Snapshot, error) {
	var frame snappb.Snapshot
	if err := frame.UnmarshalVT(file); err != nil {
		return nil, err
	}
	if frame.GetCrc() == 0 || len(frame.GetData()) == 0 {
		return nil, errors.New("no checksum or no data")
	}
	if crc := crc32.Checksum(frame.GetData(), castagnoli); crc != frame.GetCrc() {
		return nil, fmt.Errorf("the checksum is %08x, not %08x as the file says", crc, frame.GetCrc())
	}
	s := new(raftpb.Snapshot)
	if err := proto.Unmarshal(frame.GetData(), s); err != nil {
		return nil, err
	}
	if raft.IsEmptySnap(s) {
		return nil, errors.New("it is of no place in the log") // else it would pass for the beginning of the log
	}
	return s, nil
}
