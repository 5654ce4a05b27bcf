package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"go.uber.org/zap"

	"quoin.dev/pkg/vfs"
)

// brokenSuffix is added to the name of the copy that repair keeps.
const brokenSuffix = ".broken"

// Open reads the log from a mark on and makes it ready to append to. Segments are locked first: a log that a live process
// uses is an error that wraps vfs.ErrLocked. A torn tail is cut off after the segment was copied to *.broken; every other
// fault is an error that leaves the directory as it was.
func Open(dir string, from Mark, o Options) (*WAL, *Contents, error) {
	o = o.withDefaults()
	segments, err := segmentsFrom(dir, o.FS, from.Index)
	if err != nil {
		return nil, nil, err
	}
	w := &WAL{dir: dir, options: o}
	c, err := w.open(segments, from)
	if err != nil {
		return nil, nil, errors.Join(err, closeAll(w.held))
	}
	w.spare = newPreallocator(dir, o)
	return w, c, nil
}

// removeSpares deletes what a killed process had prepared.
func (w *WAL) removeSpares() error {
	for _, name := range spareNames {
		if err := w.options.FS.Remove(filepath.Join(w.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (w *WAL) open(segments []segment, from Mark) (*Contents, error) {
	for _, s := range segments {
		f, err := vfs.Lock(w.options.FS, s.path)
		if errors.Is(err, vfs.ErrLocked) {
			return nil, fmt.Errorf("wal: %s is in use; stop the process that runs on this data directory: %w", s.path, err)
		}
		if err != nil {
			return nil, fmt.Errorf("wal: open segment: %w", err)
		}
		w.hold(s.first, f)
		w.file, w.seq = f, s.seq
	}
	c, t, err := replay(newScanner(w.options.FS, segments), from, w.options)
	if err != nil {
		return nil, err
	}
	w.metadata = c.Metadata
	w.state, w.last, w.offset = t.state, t.last, t.offset
	w.enc.crc = t.crc
	if t.torn != nil {
		if err := w.keepBroken(t.torn); err != nil {
			return nil, fmt.Errorf("wal: copy %s before its repair: %w", t.torn.path, err)
		}
	}
	if err := errors.Join(w.writeAgain(), w.clearTail(t), w.removeSpares(), w.syncNames()); err != nil {
		return nil, fmt.Errorf("wal: prepare %s for writing: %w", w.file.Name(), err)
	}
	return c, nil
}

// writeAgain writes what was read of the newest segment to where it is, so that the sync in clearTail is about all of it. The last
// sync of the process before may have failed: then the kernel still shows what was written, but takes it for clean, and a sync of
// what follows it would leave a hole. The segments before were synced, or they would have no successor.
func (w *WAL) writeAgain() error {
	buf := make([]byte, min(w.offset, readBytes))
	for at := int64(0); at < w.offset; {
		n, err := w.file.ReadAt(buf[:min(int64(len(buf)), w.offset-at)], at)
		if n == 0 {
			return noEOF(err)
		}
		if _, err := w.file.WriteAt(buf[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// syncNames makes the names of the segments and of the log durable: who gave them may have been killed before he did. A directory
// above that this process may not read was not the place where it made the log.
func (w *WAL) syncNames() error {
	above := w.options.FS.SyncDir(filepath.Dir(w.dir))
	if errors.Is(above, fs.ErrPermission) {
		above = nil
	}
	return errors.Join(w.options.FS.SyncDir(w.dir), above)
}

// clearTail makes everything behind the valid records zeros again: parts of records that were never synced would else be
// read as records once shorter ones are written before them. (etcd#6515)
func (w *WAL) clearTail(t tail) error {
	if err := w.file.Truncate(w.offset); err != nil {
		return err
	}
	if err := w.file.Preallocate(w.options.SegmentBytes); err != nil {
		return err
	}
	if t.noHead {
		w.head(&w.enc)
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.dirty = false
	return w.file.Sync()
}

// keepBroken copies the newest segment as it is, with holes where it has zeros.
func (w *WAL) keepBroken(torn *tornError) (err error) {
	name := torn.path + brokenSuffix
	out, err := vfs.Create(w.options.FS, name, filePerm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buf := make([]byte, readBytes)
	var size int64
	for {
		n, err := w.file.ReadAt(buf, size)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !allZero(buf[:n]) {
			if _, err := out.WriteAt(buf[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if n < len(buf) {
			break
		}
	}
	if err := out.Truncate(size); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	w.options.Logger.Warn("cut a torn record off the write-ahead log and kept a copy", zap.String("path", torn.path),
		zap.Int64("offset", torn.offset), zap.String("copy", name))
	return w.options.FS.SyncDir(filepath.Dir(name))
}
