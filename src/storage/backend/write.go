package backend

import "fmt"

// Put sets a row. The backend owns key and value from now on. Rows of the Key bucket have to come in ascending order.
// Views opened from now on see the change; the file gets it with the batch that the next Commit closes.
func (b *Backend) Put(bucket Bucket, key, value []byte) {
	if bucket == Key {
		r, tombstone, err := ParseRevisionKey(key)
		if err != nil {
			panic(fmt.Sprintf("backend: %v: this is a fault of the caller", err))
		}
		b.PutRevision(r, tombstone, value)
		return
	}
	b.change(bucket, key, value, false)
}

// Delete removes a row of one of the small buckets.
func (b *Backend) Delete(bucket Bucket, key []byte) {
	if bucket == Key {
		panic("backend: rows of the key bucket are removed with DeleteLater only")
	}
	b.change(bucket, key, nil, true)
}

func (b *Backend) change(bucket Bucket, key, value []byte, deleted bool) {
	b.mu.Lock()
	b.active.small[bucket].append(key, value, deleted)
	b.active.bytes += int64(len(key)+len(value)) + 2*rowOverheadBytes
	b.openOps++
	b.lookAhead()
	b.mu.Unlock()
}

// PutRevision is Put on the Key bucket without a detour over the encoded row key.
func (b *Backend) PutRevision(r Revision, tombstone bool, value []byte) {
	b.mu.Lock()
	if !b.lastKey.Less(r) {
		last := b.lastKey
		b.mu.Unlock()
		panic(fmt.Sprintf("backend: the key bucket is append-only: expected a revision after %d/%d, found %d/%d: the data directory and the raft log do not belong together, restore this member",
			last.Main, last.Sub, r.Main, r.Sub))
	}
	b.lastKey = r
	b.active.keys.append(keyRow{rev: r, tombstone: tombstone, value: value})
	b.active.bytes += int64(len(value)) + rowOverheadBytes
	b.openOps++
	b.lookAhead()
	b.mu.Unlock()
}

// Commit closes the batch of all changes since the previous Commit: they will be in the file together, and together
// with a. It waits while more than PendingBytes are not in the file yet, and not for anything else.
func (b *Backend) Commit(a Applied) {
	if b.o.ReadOnly {
		panic("backend: opened read-only, found a Commit: this is a fault of the caller")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.Index != 0 {
		if a.Index < b.applied.Index {
			panic(fmt.Sprintf("backend: the consistent index would go back from %d to %d: an entry was applied twice, restore this member", b.applied.Index, a.Index))
		}
		b.applied.Index, b.applied.Term = a.Index, a.Term
	}
	if a.ConfState != nil {
		b.applied.ConfState = a.ConfState
	}
	if b.openOps == 0 && a.Index == 0 && a.ConfState == nil {
		return
	}
	b.openOps = 0
	b.commits++
	b.committed = b.active.mark()
	b.wake()
	for b.active.bytes+b.flushingB > b.o.PendingBytes && b.err == nil && !b.closed {
		signal(b.urgent)
		b.progress.Wait()
	}
}

// CommitNewLog is Commit for a file that begins a new log: a counts although the file covers more of another log.
func (b *Backend) CommitNewLog(a Applied) {
	b.mu.Lock()
	b.applied = Applied{}
	b.mu.Unlock()
	b.Commit(a)
}

// wake tells the flusher that there is work, and that it is urgent if there is much or somebody waits. The caller holds mu.
func (b *Backend) wake() {
	signal(b.kick)
	if b.waiters > 0 || b.committed.bytes >= b.o.PendingBytes/2 || b.committed.ops() >= b.o.BatchLimit {
		signal(b.urgent)
	}
}

func (m *mark) ops() int {
	n := m.keys
	for _, c := range m.small {
		n += int(c)
	}
	return n
}

// batches is how many were closed.
func (b *Backend) batches() uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.commits
}

// Applied is the index and term of the last Commit, or what the file said at Open.
func (b *Backend) Applied() (index, term uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.applied.Index, b.applied.Term
}

// Durable is the index and term that the file covers: entries up to there are not needed from the WAL any more.
func (b *Backend) Durable() (index, term uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.flushedA.Index, b.flushedA.Term
}

// DeleteLater removes rows once everything written so far is in the file. Views may or may not show the rows until
// then: it is for rows that nothing refers to any more. In the Key bucket a 17-byte key removes a tombstone as well.
func (b *Backend) DeleteLater(bucket Bucket, keys ...[]byte) {
	if len(keys) > 0 {
		b.addLater(later{bucket: bucket, deletes: keys})
	}
}

// PutLater sets a row in the order of DeleteLater: in the same transaction as the deletions before it, or a later one.
// Views show it only once it is in the file. Any goroutine may call it.
func (b *Backend) PutLater(bucket Bucket, key, value []byte) {
	b.addLater(later{bucket: bucket, key: key, value: value})
}

func (b *Backend) addLater(l later) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// What the open batch says (a compaction begins) has to be in the file before its consequences are.
	l.after = b.commits
	if b.openOps > 0 {
		l.after++
	}
	b.laterSeq++
	l.seq = b.laterSeq
	b.laters = append(b.laters, l)
	signal(b.kick)
}

// PendingDeletes is the number of rows that DeleteLater has not removed yet: callers bound it by waiting.
func (b *Backend) PendingDeletes() (n int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i := range b.laters {
		n += len(b.laters[i].deletes)
	}
	return n
}

// Flush returns when everything committed so far is in the file and synced.
func (b *Backend) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due uint64
	for _, l := range b.laters {
		if l.after <= b.commits {
			due = l.seq
		}
	}
	return b.await(b.commits, due)
}

// FlushLater returns when every DeleteLater and PutLater so far is in the file. It waits for the Commit of the batch
// that was open when they were called, so the writer goroutine must not call it.
func (b *Backend) FlushLater() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.await(0, b.laterSeq)
}

// await waits for batches and laters to be in the file. The caller holds mu.
func (b *Backend) await(commits, laterSeq uint64) error {
	b.waiters++
	defer func() { b.waiters-- }()
	for b.flushedCommits < commits || b.flushedLater < laterSeq {
		switch {
		case b.err != nil:
			return b.err
		case b.o.ReadOnly:
			return ErrReadOnly
		case b.closed:
			return ErrClosed
		}
		signal(b.urgent)
		signal(b.kick)
		b.progress.Wait()
	}
	return b.err
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
