// Package schema reads and writes the typed rows of the store file's small buckets.
package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"quoin.dev/storage/backend"
)

// Reader is the part of a backend.View that reading rows needs. Rows it returns may be gone when it is closed;
// everything this package returns is a copy.
type Reader interface {
	Getter
	Scan(bucket backend.Bucket, from, to []byte, fn func(key, value []byte) error) error
}

// Getter reads single rows of the small buckets.
type Getter interface {
	Get(bucket backend.Bucket, key []byte) []byte
}

// Writer is the part of a backend.Backend that writing rows needs. It owns the bytes it is given.
type Writer interface {
	Put(bucket backend.Bucket, key, value []byte)
	Delete(bucket backend.Bucket, key []byte)
}

var (
	keyStorageVersion = []byte("storageVersion")
	keyScheduled      = []byte("scheduledCompactRev")
	keyFinished       = []byte("finishedCompactRev")
)

// The newest storage version this build understands.
const (
	newestMajor = 3
	newestMinor = 7
)

// ErrNewerVersion means that a newer version wrote the file.
var ErrNewerVersion = errors.New("the store was written by a newer version")

// StorageVersion is the version row, for example "3.7.0"; "" in a file that a version before 3.6 wrote.
func StorageVersion(r Getter) string { return string(r.Get(backend.Meta, keyStorageVersion)) }

// PutStorageVersion sets the version row; "" removes it, which is the format of 3.5.
func PutStorageVersion(w Writer, version string) {
	if version == "" {
		w.Delete(backend.Meta, keyStorageVersion)
		return
	}
	w.Put(backend.Meta, keyStorageVersion, []byte(version))
}

// StorageVersionFor is the version row of a member of a cluster that speaks this version: any server of that version can go on
// from the file. Files before 3.6 have no such row, so it is "" then.
func StorageVersionFor(cluster string) string {
	if major, minor, err := majorMinor(cluster); err != nil || major < 3 || (major == 3 && minor < 6) {
		return ""
	}
	return cluster
}

// CheckStorageVersion refuses a file of a version newer than this build understands, with ErrNewerVersion.
func CheckStorageVersion(r Reader) error {
	text := StorageVersion(r)
	if text == "" {
		return nil
	}
	major, minor, err := majorMinor(text)
	if err != nil {
		return fmt.Errorf("storage version %q is malformed: restore the member from a snapshot", text)
	}
	if major > newestMajor || (major == newestMajor && minor > newestMinor) {
		return fmt.Errorf("%w: found storage version %s, expected at most %d.%d: start that newer version, or downgrade the cluster with it first",
			ErrNewerVersion, text, newestMajor, newestMinor)
	}
	return nil
}

func majorMinor(text string) (major, minor int, err error) {
	first, rest, _ := strings.Cut(text, ".")
	second, _, _ := strings.Cut(rest, ".")
	if major, err = strconv.Atoi(first); err != nil {
		return 0, 0, err
	}
	minor, err = strconv.Atoi(second)
	return major, minor, err
}

// Compaction is the pair of marker rows: Finished < Scheduled means that deletion has to be resumed. -1 = no row.
type Compaction struct{ Scheduled, Finished int64 }

// ReadCompaction reads the compaction markers.
func ReadCompaction(r Reader) (c Compaction, err error) {
	if c.Scheduled, err = compactRev(r, keyScheduled); err != nil {
		return c, err
	}
	c.Finished, err = compactRev(r, keyFinished)
	return c, err
}

func compactRev(r Reader, key []byte) (int64, error) {
	row := r.Get(backend.Meta, key)
	if row == nil {
		return -1, nil
	}
	rev, _, err := backend.ParseRevisionKey(row)
	if err != nil {
		return -1, fmt.Errorf("meta/%s: %w: restore the member from a snapshot", key, err)
	}
	return rev.Main, nil
}

// PutScheduledCompaction announces the deletion of what revision rev supersedes.
func PutScheduledCompaction(w Writer, rev int64) {
	w.Put(backend.Meta, keyScheduled, backend.AppendRevisionKey(nil, backend.Revision{Main: rev}, false))
}

// FinishedCompaction is the row that says that deletion up to rev is complete.
func FinishedCompaction(rev int64) (key, value []byte) {
	return keyFinished, backend.AppendRevisionKey(nil, backend.Revision{Main: rev}, false)
}

// IgnoredByHash reports whether a row is left out of the hash of a whole file: it differs between members that hold the
// same data.
func IgnoredByHash(bucket, key []byte) bool {
	if string(bucket) != backend.Meta.Name() {
		return false
	}
	switch string(key) {
	case "consistent_index", "term", string(keyStorageVersion):
		return true
	}
	return false
}
