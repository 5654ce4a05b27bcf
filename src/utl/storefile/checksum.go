package storefile

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

// A snapshot is a database with the SHA-256 of it behind. A database is made of pages of a multiple of pageBytes, so the
// length tells whether there is one.
const pageBytes = 512

// HasChecksum reports whether a file of so many bytes ends in a checksum.
func HasChecksum(bytes int64) bool { return bytes%pageBytes == sha256.Size }

// ChecksumError means that a snapshot is not what was saved. The text is etcdutl's.
type ChecksumError struct{ Expected, Got [sha256.Size]byte }

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("expected sha256 %v, got %v", e.Expected, e.Got)
}

// CopyChecked writes the database of a snapshot to w, without its checksum. A wrong checksum is a *ChecksumError after
// everything was written; verify false takes any. copied is told how many bytes were written so far.
func CopyChecked(w io.Writer, snapshot *os.File, verify bool, copied func(bytes int64)) error {
	info, err := snapshot.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	var trailer [sha256.Size]byte
	if HasChecksum(size) {
		size -= sha256.Size
		if _, err := snapshot.ReadAt(trailer[:], size); err != nil {
			return fmt.Errorf("read the checksum of %s: %w", snapshot.Name(), err)
		}
	} else {
		verify = false
	}
	sum := sha256.New()
	to := &counter{io.MultiWriter(w, sum), 0, copied}
	if n, err := io.Copy(to, io.NewSectionReader(snapshot, 0, size)); err != nil {
		return err
	} else if n != size {
		return fmt.Errorf("%s became shorter while it was read", snapshot.Name())
	}
	if got := [sha256.Size]byte(sum.Sum(nil)); verify && got != trailer {
		return &ChecksumError{Expected: trailer, Got: got}
	}
	return nil
}

// counter tells how much went through.
type counter struct {
	io.Writer
	bytes int64
	tell  func(int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes += int64(n)
	c.tell(c.bytes)
	return n, err
}
