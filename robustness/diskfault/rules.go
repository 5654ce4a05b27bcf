package diskfault

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Op is a kind of call.
type Op string

// The kinds of calls. Look is everything that only asks for names, attributes and free space. Close is not among them: it never
// fails and never waits, so that a process can end whatever the disk does.
const (
	Any      Op = ""
	Look     Op = "look"
	Open     Op = "open"
	Create   Op = "create"
	Read     Op = "read"
	Write    Op = "write"
	Fsync    Op = "fsync"    // of a file
	FsyncDir Op = "fsyncdir" // of a directory
	Resize   Op = "resize"
	Allocate Op = "allocate"
	Rename   Op = "rename"
	Remove   Op = "remove" // of a file or a directory
	Link     Op = "link"   // hard or symbolic
	Mkdir    Op = "mkdir"
	Attr     Op = "attr" // a change of mode, owner or times
)

// Rule is something that is wrong with the disk. The zero value of Op and Path stands for all calls.
type Rule struct {
	Op Op
	// Path is a pattern as in path.Match, for the last elements of the path: "*.wal" is any such file, "snap/db" any db in a snap.
	// A rename has its old name here.
	Path string
	// After is how many calls that match pass first; Times how many are bitten then, 0 for all.
	After, Times int
	// Bytes lets only those syncs of a file match that are about so many bytes at least.
	Bytes int64

	// Delay is waited, and Freeze waits until the rule is cleared.
	Delay  time.Duration
	Freeze bool
	// Err is what the call fails with instead of doing anything.
	Err syscall.Errno
	// Drop, with the Err of an Fsync, makes it the failure that a real kernel has: what was written before is shown from then on, and
	// taken for written, but has not reached the disk, and a later sync does not help.
	Drop bool
}

// rules are those in force. The mutex guards all fields but some.
type rules struct {
	mu    sync.Mutex
	last  int
	armed []*armed
	bits  map[int]int // by id, also of rules that were cleared

	some atomic.Bool // whether there are any, for the many calls while there are none
}

type armed struct {
	Rule
	id, seen int
	healed   chan struct{}
}

// Set makes a rule hold from now on and returns its id. It panics when the pattern is malformed.
func (d *Disk) Set(r Rule) int {
	if _, err := path.Match(r.Path, ""); err != nil {
		panic(fmt.Sprintf("diskfault: the pattern %q of a rule is none: %v", r.Path, err))
	}
	return d.rules.add(r)
}

// Clear ends a rule, and lets go on who waits because of it. It does nothing for an id that is none, or not any more.
func (d *Disk) Clear(id int) {
	d.rules.remove(id)
	d.space.lift(id)
}

// Bit is how many calls the rule has bitten so far, also after its end.
func (d *Disk) Bit(id int) int {
	d.rules.mu.Lock()
	defer d.rules.mu.Unlock()
	return d.rules.bits[id]
}

func (r *rules) add(rule Rule) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.newID()
	r.armed = append(r.armed, &armed{Rule: rule, id: id, healed: make(chan struct{})})
	r.some.Store(true)
	return id
}

// newID needs the lock.
func (r *rules) newID() int {
	if r.bits == nil {
		r.bits = map[int]int{}
	}
	r.last++
	r.bits[r.last] = 0
	return r.last
}

func (r *rules) remove(id int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.armed, func(a *armed) bool { return a.id == id })
	if i < 0 {
		return
	}
	close(r.armed[i].healed)
	r.armed = slices.Delete(r.armed, i, i+1)
	r.some.Store(len(r.armed) > 0)
}

// biting are the rules that bite a call, and counts that they do.
func (r *rules) biting(c call) (list []*armed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.armed {
		if a.Op != Any && a.Op != c.op || c.bytes < a.Bytes || !matches(a.Path, c.path) {
			continue
		}
		a.seen++
		if a.seen > a.After && (a.Times == 0 || a.seen <= a.After+a.Times) {
			r.bits[a.id]++
			list = append(list, a)
		}
	}
	return list
}

func (r *rules) bite(id int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bits[id]++
}

// matches holds a pattern against the last elements of a path.
func matches(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	elements := strings.Split(name, "/")
	n := strings.Count(pattern, "/") + 1
	if n > len(elements) {
		return false
	}
	ok, err := path.Match(pattern, strings.Join(elements[len(elements)-n:], "/"))
	return ok && err == nil
}
