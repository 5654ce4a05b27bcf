package membership

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"quoin.dev/storage/roster"
	"quoin.dev/storage/schema"
)

// Options are what a Cluster needs beside its rows.
type Options struct {
	// MaxLearners bounds the learners; every member of a cluster must have the same bound, since each applies it.
	MaxLearners int
	// Version is the version of this member's contract; a cluster that speaks a newer one can not be joined.
	Version string
}

// Cluster is the membership as of the last applied entry. One goroutine, the applier, changes it; any may read.
//
// Seeds are members that are known before their entries are applied: the founders while a new cluster starts, or the
// present members while a joining one catches up. They are listed beside the applied ones, are never persisted, and
// an applied change of the same member always wins.
type Cluster struct {
	options Options
	rows    schema.Writer // takes rows into the batch that is being applied

	mu        sync.RWMutex // guards everything below; held for lookups and copies only
	members   map[uint64]Member
	removed   map[uint64]bool
	seeds     map[uint64]Member
	version   string // "3.7.0", or "" before the leader has set it
	downgrade Downgrade
}

// Downgrade is a running downgrade job.
type Downgrade = schema.Downgrade

// New returns an empty cluster that persists into rows.
func New(rows schema.Writer, o Options) *Cluster {
	return &Cluster{
		options: o,
		rows:    rows,
		members: map[uint64]Member{},
		removed: map[uint64]bool{},
		seeds:   map[uint64]Member{},
	}
}

// Copy returns a cluster with the same applied members that persists into other rows.
func (c *Cluster) Copy(rows schema.Writer) *Cluster {
	c.mu.RLock()
	defer c.mu.RUnlock()
	to := New(rows, c.options)
	to.members, to.removed = maps.Clone(c.members), maps.Clone(c.removed)
	to.version, to.downgrade = c.version, c.downgrade
	return to
}

// Seed makes members known before their entries are applied.
func (c *Cluster) Seed(members []Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range members {
		c.seeds[m.ID] = m
	}
}

// Members lists all members by id.
func (c *Cluster) Members() []Member {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.list()
}

func (c *Cluster) list() []Member {
	all := maps.Clone(c.members)
	for id, m := range c.seeds {
		if _, applied := all[id]; !applied && !c.removed[id] {
			all[id] = m
		}
	}
	return roster.Sort(slices.Collect(maps.Values(all)))
}

// Member looks a member up.
func (c *Cluster) Member(id uint64) (Member, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	m, ok := c.members[id]
	if !ok && !c.removed[id] {
		m, ok = c.seeds[id]
	}
	return m, ok
}

// IsLearner tells whether id is a member without a vote.
func (c *Cluster) IsLearner(id uint64) bool {
	m, _ := c.Member(id)
	return m.IsLearner
}

// IsRemoved tells whether id was a member and was removed; it can never come back.
func (c *Cluster) IsRemoved(id uint64) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.removed[id]
}

// Removed lists the ids of removed members in ascending order.
func (c *Cluster) Removed() []uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return sortedKeys(c.removed)
}

// PeerURLs lists the peer URLs of all members, sorted.
func (c *Cluster) PeerURLs() []string {
	var urls []string
	for _, m := range c.Members() {
		urls = append(urls, m.PeerURLs...)
	}
	slices.Sort(urls)
	return urls
}

// ClientURLs lists the client URLs of all members, sorted.
func (c *Cluster) ClientURLs() []string {
	var urls []string
	for _, m := range c.Members() {
		urls = append(urls, m.ClientURLs...)
	}
	slices.Sort(urls)
	return urls
}

// String lists names and ids, for logs.
func (c *Cluster) String() string {
	parts := []string{}
	for _, m := range c.Members() {
		parts = append(parts, FormatID(m.ID)+"="+m.Name)
	}
	return strings.Join(parts, ",")
}

func sortedKeys(set map[uint64]bool) []uint64 { return slices.Sorted(maps.Keys(set)) }
