package backend

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// defaultLockWait is how long Open waits for a process that is on its way out to release the file, lockPoll how often it
// looks.
const (
	defaultLockWait = time.Second
	lockPoll        = 20 * time.Millisecond
)

// fileMode is the mode of a new store file.
const fileMode = 0o600

// minMmapBytes is where Open stops halving the map when the address space is short.
const minMmapBytes = 64 << 20

// withFile fills in what opening a file needs.
func (o Options) withFile() Options {
	if o.MmapBytes == 0 {
		o.MmapBytes = DefaultMmapBytes
	}
	if o.LockWait <= 0 {
		o.LockWait = defaultLockWait
	}
	if o.OpenFile == nil {
		o.OpenFile = os.OpenFile
	}
	if o.Rename == nil {
		o.Rename = os.Rename
	}
	if o.SyncDir == nil {
		o.SyncDir = syncDir
	}
	return o
}

// database is an open file.
type database struct {
	*bbolt.DB
	file *os.File // bbolt's own; it stays open while a transaction is
}

// openFile opens the database and says how much of it is mapped at least.
//
// The file is locked and verified before bbolt looks at it: in an unverified file bbolt may panic on a goroutine of
// its own, where nobody can recover.
func openFile(o Options) (db *database, mapped int64, err error) {
	if o.ReadOnly {
		if _, err := os.Stat(o.Path); err != nil {
			return nil, 0, openError(o.Path, err)
		}
	} else if !o.fresh {
		if err := create(o); err != nil {
			return nil, 0, openError(o.Path, err)
		}
	}
	size := o.MmapBytes
	if info, err := os.Stat(o.Path); err == nil {
		size = max(size, 3*uint64(info.Size())) // so that a big file does not seem to outgrow its map soon
	}
	size = min(size, math.MaxInt/2)
	if !mapsBeyondEnd {
		size = 0
	}
	for {
		db, err = tryOpen(o, int(size))
		if err == nil || size < minMmapBytes || !(errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EINVAL)) {
			break
		}
		size /= 2
	}
	if err != nil {
		return nil, 0, openError(o.Path, err)
	}
	info, err := os.Stat(o.Path)
	if err != nil {
		_ = db.Close()
		return nil, 0, openError(o.Path, err)
	}
	return db, mapSize(max(int64(size), info.Size())), nil
}

func tryOpen(o Options, mmapBytes int) (db *database, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	freelist := bbolt.FreelistMapType
	if o.FreelistArray {
		freelist = bbolt.FreelistArrayType
	}
	db = new(database)
	db.DB, err = bbolt.Open(o.Path, fileMode, &bbolt.Options{
		Timeout:         o.LockWait,
		NoFreelistSync:  !o.fresh, // reading the whole file in order to take back a transaction would hold up the flusher
		NoSync:          o.fresh || o.NoSync,
		NoGrowSync:      o.fresh || o.NoSync,
		Mlock:           o.Mlock,
		FreelistType:    freelist,
		InitialMmapSize: mmapBytes,
		ReadOnly:        o.ReadOnly,
		PreLoadFreelist: true, // else a file opened for reading seems to have no free pages
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			f, err := o.OpenFile(name, flag, perm)
			if err != nil {
				return nil, err
			}
			if err := lockAndVerify(f, name, o); err != nil {
				_ = f.Close()
				return nil, err
			}
			db.file = f
			return f, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return db, nil
}

// lockAndVerify waits until no other process has the file open, and looks at its pages before bbolt does.
func lockAndVerify(f *os.File, name string, o Options) error {
	for deadline := time.Now().Add(o.LockWait); ; time.Sleep(lockPoll) {
		err := tryLock(f, !o.ReadOnly)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrLocked) {
			return fmt.Errorf("lock: %w", err)
		}
		if time.Now().After(deadline) {
			return ErrLocked
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: not a regular file", ErrCorrupt)
	}
	// Whoever held the lock may have put another file in the place of this one, as a defragmentation does.
	if there, err := os.Stat(name); err != nil || !os.SameFile(info, there) {
		return ErrLocked
	}
	if err := verify(f, info.Size()); err != nil || info.Size() == 0 || o.ReadOnly || o.fresh || o.NoSync {
		return err
	}
	if err := settle(f, info.Size()); err != nil {
		return fmt.Errorf("make the last transaction durable: %w", err)
	}
	return nil
}

// settle makes the transaction that is seen in the file durable before another one follows, which may write over pages that the one
// before it needs. The process that committed it may have been killed before the sync of its meta page, or that sync failed: then
// the kernel shows the page and takes it for clean. So it is written again. All other pages were synced before it.
func settle(f *os.File, size int64) error {
	m, err := findMeta(f, size)
	if err != nil {
		return err
	}
	pages := make([]byte, 2*int64(m.pageSize))
	if _, err := f.ReadAt(pages, 0); err != nil {
		return err
	}
	if _, err := f.WriteAt(pages, 0); err != nil {
		return err
	}
	return f.Sync()
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, ErrLocked), errors.Is(err, berrors.ErrTimeout):
		return lockedError(path)
	case errors.Is(err, ErrByteOrder):
		return byteOrderError(path)
	case errors.Is(err, ErrCorrupt):
		return corruptError(path, unwrapCorrupt(err))
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return corruptError(path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("backend: %w: run as the owner of the data directory, or give this user access", err)
	default:
		return fmt.Errorf("backend: open: %w", err)
	}
}

// mapSize is the size of the map that bbolt makes for so many bytes: doubled from 32 KiB to 1 GiB, then whole GiB.
func mapSize(bytes int64) int64 {
	for s := int64(32 << 10); s <= 1<<30; s *= 2 {
		if bytes <= s {
			return s
		}
	}
	return (bytes + 1<<30 - 1) &^ (1<<30 - 1)
}
