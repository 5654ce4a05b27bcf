package diskfault

import "math/rand/v2"

// touch is what a change did to one sector.
type touch struct {
	change int // its place among those that are not synced
	part   piece
}

// cutSectors goes back to the last sync, and from there on lets each sector go through some of what happened to it.
func (c *content) cutSectors(rng *rand.Rand, _ Loss, cut *Cut) error {
	if len(c.changes) == 0 {
		return nil
	}
	size, at := c.survivingSize(rng)
	touches, err := c.undoAll()
	if err != nil {
		return err
	}
	history := map[int64][]touch{}
	var order []int64 // of the sectors, so that a seed always does the same
	for _, t := range touches {
		sector := t.part.at / sectorBytes
		if history[sector] == nil {
			order = append(order, sector)
		}
		history[sector] = append(history[sector], t)
	}
	kept, lost := make([]bool, len(c.changes)), make([]bool, len(c.changes))
	for _, sector := range order {
		n := rng.IntN(len(history[sector]) + 1)
		for i, t := range history[sector] {
			if i >= n {
				lost[t.change] = true
				continue
			}
			kept[t.change] = true
			c.found(change{at: t.part.at, end: t.part.end()})
			if err := c.put([]piece{t.part}); err != nil {
				return err
			}
		}
	}
	for i, n := range c.changes {
		if n.at == n.end && len(n.before) == 0 {
			lost[i] = i >= at // a change of nothing but the size
		}
		cut.count(n, kept[i], lost[i])
	}
	return c.file.Truncate(size)
}

// survivingSize chooses a size that the file has had, and tells which change came after it.
func (c *content) survivingSize(rng *rand.Rand) (size int64, at int) {
	if at = rng.IntN(len(c.changes) + 1); at == 0 {
		return c.changes[0].sizeBefore, 0
	}
	return c.changes[at-1].sizeAfter, at
}

// undoAll takes all changes back, and returns what they did, in their order and sector by sector. What was cut off became zeros.
func (c *content) undoAll() (touches []touch, err error) {
	written := make([][]piece, len(c.changes))
	for i := len(c.changes) - 1; i >= 0; i-- {
		n := c.changes[i]
		data, err := c.undo(n)
		if err != nil {
			return nil, err
		}
		if n.at < n.end {
			written[i] = sectors(piece{n.at, data})
			continue
		}
		for _, p := range n.before {
			written[i] = append(written[i], sectors(piece{p.at, make([]byte, len(p.data))})...)
		}
	}
	for i, parts := range written {
		for _, p := range parts {
			touches = append(touches, touch{i, p})
		}
	}
	return touches, nil
}

// count adds what came of a change.
func (c *Cut) count(n change, kept, lost bool) {
	if !lost {
		c.Kept++
		return
	}
	c.Writes++
	c.Bytes += n.end - n.at
	if kept {
		c.Torn++
	}
}
