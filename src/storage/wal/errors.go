package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound reports a directory without segments.
	ErrNotFound = errors.New("wal: no segments")
	// ErrExists reports that Create would overwrite a log.
	ErrExists = errors.New("wal: log exists already")
	// ErrMarkNotFound reports that the log has no snapshot record for the mark to read from.
	ErrMarkNotFound = errors.New("wal: no snapshot record for this snapshot")
	// ErrNoConfState reports a snapshot mark without the membership it covers.
	ErrNoConfState = errors.New("wal: a snapshot record needs the membership (conf state)")
	// ErrClosed reports the use of a closed WAL.
	ErrClosed = errors.New("wal: closed")
	// ErrMissingSegment reports a hole in the sequence of segments.
	ErrMissingSegment = errors.New("wal: a segment is missing")
)

// DamageError reports bytes that no crash can leave behind: they were changed after they were written, or the log was
// put together from parts of different logs. The directory is as it was.
type DamageError struct {
	Path   string
	Offset int64
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("wal: %s is damaged at byte %d: %s; nothing was changed; check the disk, then restore this member from a backup, "+
		"or remove it from the cluster and add it again with an empty data directory", e.Path, e.Offset, e.Reason)
}

// tornError ends reading at a record that was not written whole; everything before Offset is good.
type tornError struct {
	path   string
	offset int64
	reason string
}

func (e *tornError) Error() string {
	return fmt.Sprintf("wal: %s ends in a torn record at byte %d: %s", e.path, e.offset, e.reason)
}
