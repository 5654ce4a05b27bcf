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
	// KeepAny keeps, of each sector (512 bytes), any of the states that it has had since the sync, of the size of a file one of
	// those, too, and of all names the first so many changes. Disks write in an order of their own, but whole sectors.
	KeepAny
)

const sectorBytes = 512

// Loss is what a power cut does.
type Loss struct {
	Keep Keep
	// Torn tears the first write of a file that is lost at the boundary of a sector: what is before it survives. With KeepAny all
	// writes may be torn anyway.
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

// cut does it to one file.
func (c *content) cut(rng *rand.Rand, loss Loss, cut *Cut) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	do := c.cutPrefix
	if loss.Keep == KeepAny {
		do = c.cutSectors
	}
	if err := do(rng, loss, cut); err != nil {
		return err
	}
	c.forget(c.last)
	return c.bringBack()
}

// cutPrefix goes back to the first change that is lost, and does a part of it again if it is to be torn.
func (c *content) cutPrefix(rng *rand.Rand, loss Loss, cut *Cut) error {
	kept := 0
	if loss.Keep == KeepPrefix {
		kept = rng.IntN(len(c.changes) + 1)
	}
	cut.Kept += kept
	for _, n := range c.changes[:kept] {
		c.found(n)
	}
	lost := c.changes[kept:]
	var written []byte
	for _, n := range slices.Backward(lost) {
		var err error
		if written, err = c.undo(n); err != nil {
			return err
		}
		cut.Writes++
		cut.Bytes += n.end - n.at
	}
	if len(lost) == 0 || !loss.Torn {
		return nil
	}
	return c.tear(rng, piece{lost[0].at, written}, cut)
}

// tear keeps the first so many sectors of a write that is lost.
func (c *content) tear(rng *rand.Rand, write piece, cut *Cut) error {
	parts := sectors(write)
	if len(parts) < 2 {
		return nil
	}
	parts = parts[:1+rng.IntN(len(parts)-1)]
	cut.Torn++
	for _, p := range parts {
		c.found(change{at: p.at, end: p.end()})
	}
	return c.put(parts)
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

// sectors cuts a piece where a disk may.
func sectors(p piece) (parts []piece) {
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
