package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"quoin.dev/pkg/vfs"
)

const segmentSuffix = ".wal"

// segment is a file of the log: its place in the sequence, and the index of the first entry it may hold that none
// before it holds (an entry that overwrites older ones has a lower index).
type segment struct {
	path       string
	seq, first uint64
}

func segmentPath(dir string, seq, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x-%016x%s", seq, first, segmentSuffix))
}

// parseSegment accepts exactly the names that segmentPath makes.
func parseSegment(dir, name string) (segment, bool) {
	var s segment
	if _, err := fmt.Sscanf(name, "%16x-%16x"+segmentSuffix, &s.seq, &s.first); err != nil {
		return segment{}, false
	}
	s.path = segmentPath(dir, s.seq, s.first)
	return s, filepath.Base(s.path) == name
}

// Exists reports whether dir holds a log. A log that was being created when the power went is none.
func Exists(dir string, fsys vfs.FS) bool {
	segments, err := listSegments(dir, fsys)
	return err == nil && len(segments) > 0
}

// listSegments returns the segments of dir in their order, with holes if there are any.
func listSegments(dir string, fsys vfs.FS) ([]segment, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []segment
	for _, e := range entries {
		if s, ok := parseSegment(dir, e.Name()); ok {
			out = append(out, s) // names sort like sequence numbers
		}
	}
	return out, nil
}

// segmentsFrom returns the segments to read for entries after index: the last one that starts at or before it, and all
// that follow without a hole.
func segmentsFrom(dir string, fsys vfs.FS, index uint64) ([]segment, error) {
	all, err := listSegments(dir, fsys)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(all) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNotFound, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("wal: list segments: %w", err)
	}
	start := 0
	for i, s := range all {
		if s.first <= index {
			start = i
		}
	}
	if all[start].first > index {
		return nil, fmt.Errorf("%w: the oldest one, %s, begins after index %d; restore this member from a backup, or remove it from "+
			"the cluster and add it again with an empty data directory", ErrMissingSegment, all[start].path, index)
	}
	return contiguous(all[start:])
}

func contiguous(segments []segment) ([]segment, error) {
	for i, s := range segments[1:] {
		if want := segments[0].seq + uint64(i) + 1; s.seq != want {
			return nil, fmt.Errorf("%w: %s follows %s; put the segments %d to %d back, or restore this member from a backup",
				ErrMissingSegment, s.path, segments[i].path, want, s.seq-1)
		}
	}
	return slices.Clip(segments), nil
}
