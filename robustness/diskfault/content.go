package diskfault

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// content is what a file holds, and how to get back to what of it was synced.
//
// The mutex guards all fields, and is held over the calls to the backing file: what was there before a write is only known if
// nobody else writes meanwhile.
type content struct {
	ino    uint64
	budget *budget
	space  *space

	mu      sync.Mutex
	file    *os.File // for reading and writing
	users   int      // open files; guarded by the mutex of contents
	last    uint64   // number of the newest change there ever was
	changes []change // since the last sync, in their order
	lost    []piece  // what a power cut brings back though a sync followed: the one after a sync that failed. In order, apart
}

// change is one write, or one change of the size.
type change struct {
	number     uint64
	at, end    int64   // what a write covered; empty for a change of the size
	before     []piece // what it replaced; the rest of that was zeros
	sizeBefore int64
	sizeAfter  int64
}

// piece is a part of a file.
type piece struct {
	at   int64
	data []byte
}

func (p piece) end() int64 { return p.at + int64(len(p.data)) }

const changeBytes = 128 // what a change costs besides what it replaced

func (c change) cost() int64 {
	bytes := int64(changeBytes)
	for _, p := range c.before {
		bytes += int64(len(p.data))
	}
	return bytes
}

// touched is the part of the file whose content the change decided.
func (c change) touched() (from, to int64) {
	if c.at < c.end {
		return c.at, c.end
	}
	return c.sizeAfter, max(c.sizeBefore, c.sizeAfter)
}

// write is pwrite.
func (c *content) write(data []byte, at int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st, err := c.stat()
	if err != nil {
		return 0, err
	}
	end := at + int64(len(data))
	before, err := c.saveBlock(at, min(end, st.Size))
	if err != nil {
		return 0, err
	}
	if err := c.space.room(growth(st, at, end)); err != nil {
		return 0, err
	}
	n, err := c.file.WriteAt(data, at)
	if n > 0 {
		end = at + int64(n)
		c.record(change{at: at, end: end, before: before, sizeBefore: st.Size, sizeAfter: max(st.Size, end)})
	}
	c.account(st)
	return n, err
}

// resize is ftruncate.
func (c *content) resize(size int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	st, err := c.stat()
	if err != nil || st.Size == size {
		return err
	}
	before, err := c.saveTail(size, st.Size)
	if err != nil {
		return err
	}
	if err := c.file.Truncate(size); err != nil {
		return err
	}
	c.record(change{before: before, sizeBefore: st.Size, sizeAfter: size})
	c.account(st)
	return nil
}

// allocate is fallocate, of which it knows the kinds that leave the content as it is.
func (c *content) allocate(at, bytes int64, mode uint32) error {
	if mode != 0 && mode != unix.FALLOC_FL_KEEP_SIZE {
		return syscall.EOPNOTSUPP
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	st, err := c.stat()
	if err != nil {
		return err
	}
	end := at + bytes
	if err := c.space.room(max(0, end-st.Blocks*blockUnit)); err != nil {
		return err
	}
	if err := unix.Fallocate(int(c.file.Fd()), mode, at, bytes); err != nil {
		return err
	}
	if mode == 0 && end > st.Size {
		c.record(change{sizeBefore: st.Size, sizeAfter: end})
	}
	c.account(st)
	return nil
}

func (c *content) stat() (*syscall.Stat_t, error) {
	st := new(syscall.Stat_t)
	return st, syscall.Fstat(int(c.file.Fd()), st)
}

// account tells how many more blocks the file has than before.
func (c *content) account(before *syscall.Stat_t) {
	if st, err := c.stat(); err == nil {
		c.space.take((st.Blocks - before.Blocks) * blockUnit)
	}
}

// saveBlock reads what a write is about to replace. Zeros need not be kept.
func (c *content) saveBlock(from, to int64) ([]piece, error) {
	if from >= to {
		return nil, nil
	}
	data := make([]byte, to-from)
	n, err := c.file.ReadAt(data, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if data = data[:n]; zeros(data) {
		return nil, nil
	}
	return []piece{{from, data}}, nil
}

// saveTail reads what is about to be cut off, which may be a lot of nothing.
func (c *content) saveTail(from, to int64) (pieces []piece, err error) {
	const chunkBytes = 64 << 10
	for from < to {
		data, err := unix.Seek(int(c.file.Fd()), from, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err == nil {
			from = data
		}
		p, err := c.saveBlock(from, min(from+chunkBytes, to))
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, p...)
		from += chunkBytes
	}
	return pieces, nil
}

func zeros(data []byte) bool {
	return !slices.ContainsFunc(data, func(b byte) bool { return b != 0 })
}

// record remembers a change, or takes the file for synced when there is no memory left for it.
func (c *content) record(n change) {
	c.last++
	n.number = c.last
	c.changes = append(c.changes, n)
	if !c.budget.spend(n.cost()) {
		c.settleLocked(c.last)
	}
}

// newest is the number of the newest change. A sync covers what there was when it was called.
func (c *content) newest() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// unsynced is how many bytes a sync is about.
func (c *content) unsynced() (bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.changes {
		bytes += n.end - n.at
	}
	return bytes
}

// settle makes all changes up to a number durable.
func (c *content) settle(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleLocked(number)
}

func (c *content) settleLocked(number uint64) {
	for _, n := range c.upTo(number) {
		c.found(n)
	}
	c.forget(number)
}

func (c *content) upTo(number uint64) []change {
	i, _ := slices.BinarySearchFunc(c.changes, number+1, func(n change, number uint64) int { return int(int64(n.number) - int64(number)) })
	return c.changes[:i]
}

func (c *content) forget(number uint64) {
	old := c.upTo(number)
	for _, n := range old {
		c.budget.refund(n.cost())
	}
	c.changes = slices.Delete(c.changes, 0, len(old))
}

// clean reports whether a power cut would change nothing.
func (c *content) clean() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.changes) == 0 && len(c.lost) == 0
}
