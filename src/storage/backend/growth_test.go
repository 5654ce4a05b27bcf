package backend

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"
)

// Removing a small part of many large pages writes all that is left of them anew. The map has to grow for that as well as
// for new rows, and it can not while the flusher itself holds on to the old one.
func TestMapGrowsForDeletions(t *testing.T) {
	// It is closed only if all went well: closing waits for the flusher.
	b, err := Open(Options{Path: filepath.Join(t.TempDir(), "db"), MmapBytes: 64 << 20, BatchInterval: time.Millisecond})
	check(t, err)
	const rows = 150
	for i := int64(1); i <= rows; i++ {
		b.PutRevision(Revision{Main: i}, false, bytes.Repeat([]byte("v"), 300<<10))
	}
	b.Commit(Applied{Index: 1, Term: 1})
	check(t, b.Flush())
	var keys [][]byte
	for i := int64(1); i <= rows; i += 2 {
		keys = append(keys, AppendRevisionKey(nil, Revision{Main: i}, false))
	}
	b.DeleteLater(Key, keys...)
	flushed := make(chan error, 1)
	go func() { flushed <- b.FlushLater() }()
	select {
	case err := <-flushed:
		check(t, err)
	case <-time.After(time.Minute):
		t.Fatal("the flusher waits for itself")
	}
	v := b.View()
	if n := len(viewRows(v, Key, nil, nil)); n != rows/2 {
		t.Errorf("%d rows are left", n)
	}
	v.Close()
	if b.Size() <= 64<<20 {
		t.Errorf("the file has %d bytes: the map did not have to grow", b.Size())
	}
	check(t, b.Close())
}
