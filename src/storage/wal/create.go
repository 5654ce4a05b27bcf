package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"quoin.dev/pkg/vfs"
)

const (
	dirPerm  fs.FileMode = 0o700
	filePerm fs.FileMode = 0o600
)

// Create makes a new log with its first segment: checksum, metadata, and the mark of the empty state. It is built in
// dir.tmp and renamed, so that after a crash it is there whole or not at all. An empty dir may exist; the directory above
// has to. (etcd#16596)
func Create(dir string, metadata []byte, o Options) (*WAL, error) {
	o = o.withDefaults()
	if Exists(dir, o.FS) {
		return nil, fmt.Errorf("%w: %s", ErrExists, dir)
	}
	build := filepath.Clean(dir) + ".tmp"
	if err := createSegment(build, metadata, o); err != nil {
		return nil, fmt.Errorf("wal: create %s: %w", dir, errors.Join(err, o.FS.RemoveAll(build)))
	}
	if err := o.FS.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("wal: create %s: the directory holds something else than a log: %w", dir, err)
	}
	if err := o.FS.Rename(build, dir); err != nil {
		return nil, fmt.Errorf("wal: create: %w", err)
	}
	w, _, err := Open(dir, Mark{}, o) // which makes the name durable
	return w, err
}

func createSegment(dir string, metadata []byte, o Options) error {
	if err := o.FS.RemoveAll(dir); err != nil {
		return err
	}
	if err := o.FS.MkdirAll(dir, dirPerm); err != nil {
		return err
	}
	mark, err := Mark{}.marshal()
	if err != nil {
		return err
	}
	var enc encoder
	enc.checksum()
	enc.record(typeMetadata, metadata)
	enc.record(typeSnapshot, mark)
	name := segmentPath(dir, 0, 0)
	fill := func(f vfs.File) error {
		if err := f.Preallocate(o.SegmentBytes); err != nil {
			return err
		}
		_, err := f.WriteAt(enc.buf, 0)
		return err
	}
	f, err := vfs.Create(o.FS, name, filePerm)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return o.FS.SyncDir(dir)
}

// head encodes the first records of a segment that continues the log.
func (w *WAL) head(enc *encoder) {
	enc.checksum()
	enc.record(typeMetadata, w.metadata)
	if w.state != (hardState{}) {
		enc.state(w.state)
	}
}

// cut ends the newest segment at its used length and goes on in the next one, which gets its name only when its head is
// durable: a crash at any point leaves a log that reads as before.
func (w *WAL) cut() error {
	if err := w.file.Truncate(w.offset); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	f, name, err := w.spare.take()
	if err != nil {
		return err
	}
	enc := encoder{crc: w.enc.crc}
	w.head(&enc)
	if err := w.enter(f, name, enc.buf); err != nil {
		return errors.Join(err, f.Close())
	}
	w.enc.crc = enc.crc
	w.hold(w.last+1, f)
	w.file, w.offset = f, int64(len(enc.buf))
	w.seq++
	return nil
}

// enter makes the prepared file the next segment.
func (w *WAL) enter(f vfs.File, name string, head []byte) error {
	if _, err := f.WriteAt(head, 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := w.options.FS.Rename(name, segmentPath(w.dir, w.seq+1, w.last+1)); err != nil {
		return err
	}
	return w.options.FS.SyncDir(w.dir)
}
