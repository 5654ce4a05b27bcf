package backend

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// FileSize is the length of a store file, and how much of that is not free pages.
type FileSize struct{ Bytes, InUseBytes int64 }

// compactTxBytes is how much goes into one transaction of the new file.
const compactTxBytes = 64 << 20

// DefragmentFile writes the file of a member that does not run anew, without its free pages. The copy is made under the
// name temp, in the same directory, and takes the place of the file when it is durable: a crash leaves the old file or the
// new one. The lock of the old file is held all the time. When it fails, the file is as it was and temp is gone. begin is told
// how the file was before anything is copied; nil is fine.
func DefragmentFile(o Options, temp string, begin func(FileSize)) (before, after FileSize, err error) {
	o = o.withFile()
	if _, err := os.Stat(o.Path); err != nil {
		return before, after, openError(o.Path, err)
	}
	old, _, err := openFile(o)
	if err != nil {
		return before, after, err
	}
	defer func() {
		if old != nil {
			err = errors.Join(err, old.Close())
		}
	}()
	if before, err = sizeOf(old.DB); err != nil {
		return before, after, err
	}
	if begin != nil {
		begin(before)
	}
	if after, err = compactInto(o, old.DB, temp); err == nil && !replacesOpenFile {
		err = old.Close()
		old = nil
	}
	if err == nil {
		err = o.Rename(temp, o.Path)
	}
	if err != nil {
		if rerr := os.Remove(temp); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return before, after, fmt.Errorf("defragment %s: %w", o.Path, err)
	}
	return before, after, o.SyncDir(filepath.Dir(o.Path))
}

// compactInto writes a durable copy.
func compactInto(o Options, from *bbolt.DB, name string) (size FileSize, err error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return size, err
	}
	to, err := bbolt.Open(name, fileMode, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, NoSync: true, OpenFile: o.OpenFile})
	if err != nil {
		return size, err
	}
	err = bbolt.Compact(to, from, compactTxBytes)
	if err == nil {
		err = to.Sync()
	}
	if err == nil {
		size, err = sizeOf(to)
	}
	return size, errors.Join(err, to.Close())
}

func sizeOf(db *bbolt.DB) (size FileSize, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		size.Bytes = tx.Size()
		free := db.Stats().FreePageN + db.Stats().PendingPageN
		size.InUseBytes = size.Bytes - int64(free)*int64(db.Info().PageSize)
		return nil
	})
	return size, err
}
