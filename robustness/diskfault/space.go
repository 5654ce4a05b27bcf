package diskfault

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// blockUnit is what the blocks of a stat are counted in.
const blockUnit = 512

// space is how much room the disk has. The mutex guards all fields.
type space struct {
	mu      sync.Mutex
	limited bool
	left    int64 // bytes; below 0 by what the backing file system has rounded up
	total   int64
	id      int // of the limit
	rules   *rules
}

// Limit leaves the disk so many free bytes from now on: a full disk is one with 0. What is removed and cut off makes room. It returns
// an id for Clear, which ends it, and Bit, which counts what has found no room. Another limit replaces the one before.
func (d *Disk) Limit(freeBytes int64) (id int, err error) {
	used, err := usage(d.options.Backing)
	if err != nil {
		return 0, err
	}
	d.rules.mu.Lock()
	id = d.rules.newID()
	d.rules.mu.Unlock()
	s := &d.space
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited, s.left, s.total, s.id, s.rules = true, freeBytes, used+freeBytes, id, &d.rules
	return id, nil
}

// lift ends the limit with an id.
func (s *space) lift(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == id {
		s.limited = false
	}
}

// room fails if there is no room for so many bytes.
func (s *space) room(bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.limited || bytes <= 0 || bytes <= s.left {
		return nil
	}
	s.rules.bite(s.id)
	return syscall.ENOSPC
}

// take counts bytes that are used from now on, or less than 0 that are not any more.
func (s *space) take(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left -= bytes
}

// free is what a statfs says, if there is a limit.
func (s *space) free() (left, total int64, limited bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, s.left), s.total, s.limited
}

// growth is how much room a write needs at most: only what lies behind the end, unless the file has holes.
func growth(st *syscall.Stat_t, at, end int64) int64 {
	if allocated := st.Blocks * blockUnit; allocated >= st.Size {
		return end - max(at, allocated)
	}
	return end - at
}

// usage is the room that the files of a directory take.
func usage(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !e.IsDir() {
			bytes += st.Blocks * blockUnit
		}
		return nil
	})
	return bytes, err
}
