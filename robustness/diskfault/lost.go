package diskfault

import "slices"

// pageBytes is what a kernel writes at once: what is written to a part of a page gets the rest of it to the disk as well.
const pageBytes = 4096

// drop is what a failed sync does in a real kernel: the changes up to a number are over, but did not reach the disk. Sizes did.
func (c *content) drop(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.upTo(number) {
		c.lose(n)
	}
	c.forget(number)
}

// lose remembers what a write has replaced, where nothing older is remembered.
func (c *content) lose(n change) {
	if n.at == n.end {
		return
	}
	old := piece{n.at, make([]byte, n.end-n.at)}
	for _, p := range n.before {
		copy(old.data[p.at-n.at:], p.data)
	}
	left := []piece{old}
	for _, known := range c.lost {
		left = without(left, known.at, known.end())
	}
	for _, p := range left {
		c.budget.used.Add(int64(len(p.data)))
	}
	c.lost = append(c.lost, left...)
	slices.SortFunc(c.lost, func(a, b piece) int { return int(a.at - b.at) })
}

// found forgets what was lost in the pages of a change that reached the disk.
func (c *content) found(n change) {
	if len(c.lost) == 0 {
		return
	}
	from, to := n.touched()
	before := lengths(c.lost)
	c.lost = without(c.lost, from/pageBytes*pageBytes, (to+pageBytes-1)/pageBytes*pageBytes)
	c.budget.refund(before - lengths(c.lost))
}

func lengths(pieces []piece) (bytes int64) {
	for _, p := range pieces {
		bytes += int64(len(p.data))
	}
	return bytes
}

// without cuts a part out of pieces.
func without(pieces []piece, from, to int64) (rest []piece) {
	for _, p := range pieces {
		if head := min(from, p.end()) - p.at; head > 0 {
			rest = append(rest, piece{p.at, p.data[:head]})
		}
		if tail := max(to, p.at); tail < p.end() {
			rest = append(rest, piece{tail, p.data[tail-p.at:]})
		}
	}
	return rest
}
