package vfs

import (
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// Op names an operation that a Rule can break.
type Op string

// The operations. OpSync covers Sync and Datasync, OpRead and OpWrite also the variants at an offset.
const (
	OpOpen        Op = "open"
	OpRead        Op = "read"
	OpWrite       Op = "write"
	OpSync        Op = "sync"
	OpTruncate    Op = "truncate"
	OpPreallocate Op = "preallocate"
	OpLock        Op = "lock"
	OpClose       Op = "close"
	OpRename      Op = "rename"
	OpRemove      Op = "remove"
	OpMkdir       Op = "mkdir"
	OpReadDir     Op = "readdir"
	OpStat        Op = "stat"
	OpSyncDir     Op = "syncdir"
)

// Rule breaks matching operations. The zero value of each field means: any operation, any name, from the first one on,
// for ever, without an error, without delay.
type Rule struct {
	Op    Op
	Name  string // pattern of path/filepath.Match on the base name; for a rename, on the new name
	Skip  int    // let so many matching operations through first
	Times int    // then break so many

	Err        error         // returned instead of doing the operation
	ShortBytes int           // a write that fails with Err writes so many bytes first
	Delay      time.Duration // waited before the operation
	Do         func()        // called before the operation
}

// Fault passes operations on to another file system, except those that a rule breaks.
//
// The mutex guards the rules and their counters, and is not held while an operation runs.
type Fault struct {
	next FS

	mu    sync.Mutex
	rules []*ruleState
}

type ruleState struct {
	Rule
	seen int
}

// NewFault wraps next.
func NewFault(next FS, rules ...Rule) *Fault {
	f := &Fault{next: next}
	for _, r := range rules {
		f.Add(r)
	}
	return f
}

// Add adds a rule; it counts operations from now on.
func (f *Fault) Add(r Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, &ruleState{Rule: r})
}

// Heal removes all rules.
func (f *Fault) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// check returns the error for this operation, if any, and with it how many bytes a write still does.
func (f *Fault) check(op Op, name string) (shortBytes int, err error) {
	for _, r := range f.matching(op, name) {
		if r.Do != nil {
			r.Do()
		}
		if r.Delay > 0 {
			time.Sleep(r.Delay)
		}
		if r.Err != nil {
			return r.ShortBytes, &fs.PathError{Op: string(op), Path: name, Err: r.Err}
		}
	}
	return 0, nil
}

func (f *Fault) matching(op Op, name string) []Rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Rule
	for _, r := range f.rules {
		if r.Op != "" && r.Op != op {
			continue
		}
		if r.Name != "" {
			if ok, err := filepath.Match(r.Name, filepath.Base(name)); err != nil || !ok {
				continue
			}
		}
		r.seen++
		if r.seen > r.Skip && (r.Times == 0 || r.seen <= r.Skip+r.Times) {
			out = append(out, r.Rule)
		}
	}
	return out
}

// OpenFile implements FS.
func (f *Fault) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	if _, err := f.check(OpOpen, name); err != nil {
		return nil, err
	}
	file, err := f.next.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, fault: f}, nil
}

// Rename implements FS.
func (f *Fault) Rename(oldName, newName string) error {
	if _, err := f.check(OpRename, newName); err != nil {
		return err
	}
	return f.next.Rename(oldName, newName)
}

// Remove implements FS.
func (f *Fault) Remove(name string) error {
	if _, err := f.check(OpRemove, name); err != nil {
		return err
	}
	return f.next.Remove(name)
}

// RemoveAll implements FS.
func (f *Fault) RemoveAll(name string) error {
	if _, err := f.check(OpRemove, name); err != nil {
		return err
	}
	return f.next.RemoveAll(name)
}

// ReadDir implements FS.
func (f *Fault) ReadDir(name string) ([]fs.DirEntry, error) {
	if _, err := f.check(OpReadDir, name); err != nil {
		return nil, err
	}
	return f.next.ReadDir(name)
}

// MkdirAll implements FS.
func (f *Fault) MkdirAll(name string, perm fs.FileMode) error {
	if _, err := f.check(OpMkdir, name); err != nil {
		return err
	}
	return f.next.MkdirAll(name, perm)
}

// Stat implements FS.
func (f *Fault) Stat(name string) (fs.FileInfo, error) {
	if _, err := f.check(OpStat, name); err != nil {
		return nil, err
	}
	return f.next.Stat(name)
}

// SyncDir implements FS.
func (f *Fault) SyncDir(name string) error {
	if _, err := f.check(OpSyncDir, name); err != nil {
		return err
	}
	return f.next.SyncDir(name)
}
