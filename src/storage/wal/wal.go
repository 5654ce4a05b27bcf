package wal

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/pkg/vfs"
)

// WAL is a log open for appending.
//
// writing puts writers in line and is held across their I/O on purpose: the order of records in the file is the order in
// which it was taken. holding guards only held, so that Release never waits for a disk; it may be taken under writing.
type WAL struct {
	dir      string
	options  Options
	metadata []byte
	spare    *preallocator

	writing sync.Mutex
	enc     encoder
	file    vfs.File // the newest segment, locked
	seq     uint64   // of the newest segment
	offset  int64    // where the next frame goes
	dirty   bool     // written since the last sync
	last    uint64   // index of the last entry, or of a snapshot past it
	state   hardState
	err     error // the first failure; nothing is written after it

	holding sync.Mutex
	held    []heldSegment // locked segments, oldest first; the last one is file
}

type heldSegment struct {
	first uint64
	file  vfs.File
}

// Append writes entries, then the hard state (nil or empty: none), without making them durable: Sync does. Entries must
// follow each other; the first may overwrite earlier ones but not leave a hole. Any error is final: the log takes no more
// writes, and the member has to stop, since it does not know what is on disk.
func (w *WAL) Append(hs *raftpb.HardState, entries []*raftpb.Entry) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	if w.err != nil {
		return w.err
	}
	if err := w.append(hs, entries); err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *WAL) append(hs *raftpb.HardState, entries []*raftpb.Entry) error {
	for i, e := range entries {
		if i > 0 && e.GetIndex() != w.last+1 || e.GetIndex() > w.last+1 {
			return fmt.Errorf("entry %d cannot follow entry %d", e.GetIndex(), w.last)
		}
		if err := checkEntry(e); err != nil {
			return err
		}
		w.enc.entry(e)
		w.last = e.GetIndex()
		if len(w.enc.buf) >= writeBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	if hs != nil && !raft.IsEmptyHardState(hs) {
		state := hardStateOf(hs)
		if state.term < max(w.state.term, 1) {
			return fmt.Errorf("the term cannot go from %d to %d", w.state.term, state.term)
		}
		w.state = state
		w.enc.state(state)
	}
	return w.flush()
}

// flush hands the encoded frames to the operating system.
func (w *WAL) flush() error {
	if len(w.enc.buf) == 0 {
		return nil
	}
	w.dirty = true
	begun := time.Now()
	n, err := w.file.WriteAt(w.enc.buf, w.offset)
	if err != nil {
		return err
	}
	w.options.Meter.Write.Since(begun)
	w.options.Meter.WrittenBytes.Add(uint64(n))
	w.offset += int64(n)
	w.enc.reset()
	return nil
}

// Sync makes everything appended so far durable with one fdatasync, or none when there is nothing new, and begins a new
// segment when the current one is full. Errors are final like those of Append.
func (w *WAL) Sync() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	return w.sync()
}

func (w *WAL) sync() error {
	if w.err != nil {
		return w.err
	}
	if w.dirty {
		begun := time.Now()
		if err := w.file.Datasync(); err != nil {
			return w.fail(err)
		}
		w.dirty = false
		w.options.Meter.Fsync.Since(begun)
	}
	if w.offset >= w.options.SegmentBytes {
		if err := w.cut(); err != nil {
			return w.fail(err)
		}
	}
	return nil
}

// AppendSnapshot records that the state up to m.Index is durable elsewhere, and syncs. A start may use the snapshot once
// the log knows that m.Index is committed. The membership is mandatory.
func (w *WAL) AppendSnapshot(m Mark) error {
	if m.Index > 0 && m.ConfState == nil {
		return ErrNoConfState
	}
	data, err := m.marshal()
	if err != nil {
		return fmt.Errorf("wal: encode snapshot record: %w", err)
	}
	if _, err := parseMark(data); err != nil {
		return fmt.Errorf("wal: snapshot record with index %d, term %d: %w", m.Index, m.Term, err)
	}
	w.writing.Lock()
	defer w.writing.Unlock()
	if w.err != nil {
		return w.err
	}
	w.enc.record(typeSnapshot, data)
	if err := w.flush(); err != nil {
		return w.fail(err)
	}
	w.last = max(w.last, m.Index)
	return w.sync()
}

// fail makes err the answer to all later writes.
func (w *WAL) fail(err error) error {
	w.err = fmt.Errorf("wal: the log in %s cannot be written any more: %w", w.dir, err)
	return w.err
}

// Release unlocks the segments that lie wholly before the entry at index, so that Purge may delete them.
func (w *WAL) Release(index uint64) error {
	w.holding.Lock()
	free := 0
	for free+1 < len(w.held) && w.held[free+1].first <= index {
		free++
	}
	released := w.held[:free]
	w.held = w.held[free:]
	w.holding.Unlock()
	return closeAll(released)
}

func (w *WAL) hold(first uint64, f vfs.File) {
	w.holding.Lock()
	defer w.holding.Unlock()
	w.held = append(w.held, heldSegment{first, f})
}

func closeAll(held []heldSegment) error {
	var errs []error
	for _, h := range held {
		errs = append(errs, h.file.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("wal: close segment: %w", err)
	}
	return nil
}

// Close syncs, unlocks and closes the log. It returns the error that ended the log early, if one did.
func (w *WAL) Close() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	if errors.Is(w.err, ErrClosed) {
		return nil
	}
	var err error
	if w.err != nil {
		err = w.err
	} else if w.dirty {
		err = w.file.Datasync()
	}
	w.err = ErrClosed
	spareErr := w.spare.close()
	w.holding.Lock()
	held := w.held
	w.held = nil
	w.holding.Unlock()
	return errors.Join(err, spareErr, closeAll(held))
}
