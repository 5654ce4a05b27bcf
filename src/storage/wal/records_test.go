package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"quoin.dev/pkg/vfs"
)

// listed renders every record as one word.
func listed(t *testing.T, fsys vfs.FS) (string, *Torn, error) {
	t.Helper()
	var out []string
	torn, err := Records("/member/wal", Options{FS: fsys}, func(r Record) error {
		word := "crc"
		switch {
		case r.Metadata != nil:
			word = string(r.Metadata)
		case r.Entry != nil:
			word = fmt.Sprintf("%d/%d", r.Entry.GetIndex(), r.Entry.GetTerm())
		case r.HardState != nil:
			word = fmt.Sprint(hardStateOf(r.HardState))
		case r.Mark != nil:
			word = fmt.Sprintf("mark%d", r.Mark.Index)
		}
		if r.Offset == 0 {
			word = filepath.Base(r.Path)[15:] + ":" + word
		}
		out = append(out, word)
		return nil
	})
	return strings.Join(out, " "), torn, err
}

// The listing shows what was overwritten, too, and the head of every segment.
func TestRecordsAreListedAsTheyStand(t *testing.T) {
	fsys := vfs.NewMem()
	w := create(t, fsys, Options{SegmentBytes: 320})
	must(t, w.Append(state(1, 1, 1), entries(1, 3, 1)), w.Sync())
	must(t, w.Append(state(2, 1, 2), entries(2, 3, 2)), w.Sync(), w.AppendSnapshot(mark(2, 2)))
	must(t, w.Append(nil, entries(4, 4, 2)), w.Close())
	got, torn, err := listed(t, fsys)
	must(t, err)
	want := "0-0000000000000000.wal:crc metadata mark0 1/1 2/1 3/1 {1 1 1} 2/2 3/2 {2 1 2} " +
		"1-0000000000000004.wal:crc metadata {2 1 2} mark2 4/2"
	if got != want || torn != nil {
		t.Errorf("torn %+v\n got %s\nwant %s", torn, got, want)
	}
}

// Whatever is readable is listed before the end is reported, which is an error only if no crash can leave it.
func TestRecordsUpToTheFault(t *testing.T) {
	fsys := vfs.NewMem()
	w := create(t, fsys, Options{SegmentBytes: 4096})
	must(t, w.Append(state(1, 1, 1), entries(1, 2, 1)), w.Sync())
	end := w.offset
	must(t, w.Append(nil, entries(3, 4, 1)), w.Close())
	name := segmentPath("/member/wal", 0, 0)
	overwrite(t, fsys, name, end+60, make([]byte, 4096-int(end)-60))
	got, torn, err := listed(t, fsys)
	if must(t, err); torn == nil || torn.Offset < end || !strings.HasSuffix(got, "{1 1 1}") && !strings.HasSuffix(got, "3/1") {
		t.Errorf("torn %+v after %s", torn, got)
	}
	overwrite(t, fsys, name, end-20, []byte("changed"))
	var damage *DamageError
	if got, _, err := listed(t, fsys); !errors.As(err, &damage) || !strings.HasSuffix(got, "2/1") {
		t.Errorf("got %v after %s", err, got)
	}
}

func TestRecordsPassesErrorsOn(t *testing.T) {
	fsys := vfs.NewMem()
	must(t, create(t, fsys, Options{}).Close())
	enough := errors.New("enough")
	if _, err := Records("/member/wal", Options{FS: fsys}, func(Record) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	must(t, fsys.MkdirAll("/empty", 0o700))
	if _, err := Records("/empty", Options{FS: fsys}, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
