package diskfault

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// Keep says how much of what was not synced survives a power cut.
type Keep int

const (
	// KeepNothing loses everything that was not synced.
	KeepNothing Keep = iota
	// KeepPrefix keeps, of each file, the first so many of its writes, and of all names the first so many changes.
	KeepPrefix
	// KeepAny keeps any of the writes of each file, and of all names the first so many changes: disks write in an order of their own.
	// It may lose a write and keep a later one to the same sector, which a disk that writes whole sectors does not.
	KeepAny
)

// Loss is what a power cut does.
type Loss struct {
	Keep Keep
	// Torn tears writes at the boundaries of sectors (512 bytes). With KeepAny that is any of the writes that are lost, of which any
	// sectors survive; else the first one that is lost, of which the first so many sectors do.
	Torn bool
}

// Cut is what a power cut has done.
type Cut struct {
	Files  int   // that held something that was not synced
	Writes int   // and changes of size that were lost
	Torn   int   // of them in part
	Bytes  int64 // of the writes that were lost, those in part included
	Names  int   // changes of names that were lost
	Kept   int   // writes and changes of names that survived without a sync
}

// String is a proof that it bit.
func (c Cut) String() string {
	return fmt.Sprintf("lost %d writes (%d torn, %d bytes) in %d files and %d changes of names, kept %d that were not synced",
		c.Writes, c.Torn, c.Bytes, c.Files, c.Names, c.Kept)
}

// PowerCut takes back what was not synced, all of it or a part that rng chooses. The processes that used the disk are dead by then;
// files that some still has open are of no use to him any more. What is opened next is what the disk has, whatever the kernel
// remembered.
func (d *Disk) PowerCut(rng *rand.Rand, loss Loss) (Cut, error) {
	d.gate.Lock()
	defer d.gate.Unlock()
	d.boots.Add(1)
	before, err := usage(d.options.Backing)
	if err != nil {
		return Cut{}, fmt.Errorf("diskfault: power cut: %w", err)
	}
	cut, err := d.contents.cut(rng, loss)
	names, kept, namesErr := d.names.cut(rng, loss)
	cut.Names, cut.Kept = names, cut.Kept+kept
	after, usageErr := usage(d.options.Backing)
	d.space.take(after - before)
	if err := errors.Join(err, namesErr, usageErr); err != nil {
		return cut, fmt.Errorf("diskfault: power cut: %w", err)
	}
	return cut, nil
}

// cut does what a power cut does to names.
func (n *names) cut(rng *rand.Rand, loss Loss) (lost, kept int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if loss.Keep != KeepNothing {
		kept = rng.IntN(len(n.changes) + 1)
	}
	lost, err = n.undo(kept)
	return lost, kept, err
}

// cut does it to all files, in the order in which they were opened, so that the same seed does the same.
func (l *contents) cut(rng *rand.Rand, loss Loss) (cut Cut, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range slices.Clone(l.list) {
		if !c.clean() {
			cut.Files++
			err = errors.Join(err, c.cut(rng, loss, &cut))
		}
		l.tidyLocked(c)
	}
	return cut, err
}

// cut does it to one file: back to the first change that is lost, and from there on again what is kept.
func (c *content) cut(rng *rand.Rand, loss Loss, cut *Cut) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := survivors(rng, loss.Keep, len(c.changes))
	first := slices.Index(kept, false)
	if first < 0 {
		first = len(kept)
	}
	after := make([][]byte, len(kept))
	for i := len(kept) - 1; i >= first; i-- {
		var err error
		if after[i], err = c.undo(c.changes[i]); err != nil {
			return err
		}
	}
	for i, n := range c.changes {
		var err error
		switch {
		case !kept[i]:
			cut.Writes++
			cut.Bytes += n.end - n.at
			err = c.tear(rng, loss, n, i == first, after[i], cut)
		case i > first:
			err = c.redo(n, after[i])
			fallthrough
		default:
			cut.Kept++
			c.found(n)
		}
		if err != nil {
			return err
		}
	}
	c.forget(c.last)
	return c.bringBack()
}

// survivors chooses which of n changes survive.
func survivors(rng *rand.Rand, keep Keep, n int) []bool {
	kept := make([]bool, n)
	switch keep {
	case KeepPrefix:
		for i := range rng.IntN(n + 1) {
			kept[i] = true
		}
	case KeepAny:
		for i := range kept {
			kept[i] = rng.IntN(2) == 0
		}
	}
	return kept
}

// undo takes one change back, the newest one, and returns what it has written.
func (c *content) undo(n change) (written []byte, err error) {
	if n.at < n.end {
		written = make([]byte, n.end-n.at)
		if _, err := c.file.ReadAt(written, n.at); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if old := min(n.end, n.sizeBefore); n.at < old {
			if _, err := c.file.WriteAt(make([]byte, old-n.at), n.at); err != nil {
				return nil, err
			}
		}
	}
	if err := c.file.Truncate(n.sizeBefore); err != nil {
		return nil, err
	}
	return written, c.put(n.before)
}

func (c *content) put(pieces []piece) error {
	for _, p := range pieces {
		if _, err := c.file.WriteAt(p.data, p.at); err != nil {
			return err
		}
	}
	return nil
}

// redo does a change again that comes after some that are lost.
func (c *content) redo(n change, written []byte) error {
	if n.at < n.end {
		return c.put([]piece{{n.at, written}})
	}
	st, err := c.stat()
	if err != nil || n.sizeAfter > n.sizeBefore && st.Size > n.sizeAfter {
		return err
	}
	return c.file.Truncate(n.sizeAfter)
}

// tear does a part of a write that is lost, if the loss is one that tears it.
func (c *content) tear(rng *rand.Rand, loss Loss, n change, first bool, written []byte, cut *Cut) error {
	parts := sectors(piece{n.at, written})
	if !loss.Torn || len(parts) < 2 {
		return nil
	}
	switch {
	case loss.Keep == KeepAny:
		parts = slices.DeleteFunc(parts, func(piece) bool { return rng.IntN(2) == 0 })
	case first:
		parts = parts[:1+rng.IntN(len(parts)-1)]
	default:
		return nil
	}
	if len(parts) > 0 {
		cut.Torn++
	}
	for _, p := range parts {
		c.found(change{at: p.at, end: p.end()})
	}
	return c.put(parts)
}

// sectors cuts a piece where a disk may.
func sectors(p piece) (parts []piece) {
	const sectorBytes = 512
	for len(p.data) > 0 {
		n := min(int64(len(p.data)), sectorBytes-p.at%sectorBytes)
		parts = append(parts, piece{p.at, p.data[:n]})
		p = piece{p.at + n, p.data[n:]}
	}
	return parts
}

// bringBack writes what a failed sync has lost.
func (c *content) bringBack() error {
	st, err := c.stat()
	if err != nil {
		return err
	}
	c.budget.refund(lengths(c.lost))
	lost := without(c.lost, st.Size, 1<<62)
	c.lost = nil
	return c.put(lost)
}
