package tlsfiles

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxFileBytes bounds a file; the largest revocation lists in use have a few megabytes.
	maxFileBytes = 64 << 20
	// settledAfter is how old a change must be to be told from the next one by its time. Until then the file is read.
	settledAfter = 2 * time.Second
	// patience is how long somebody waits for another who reads the files, which a file system that hangs can make last.
	patience = 250 * time.Millisecond
)

// followed is the value of a few files that belong together. It is read again when one of them has changed, and kept as it
// is when the new files can not be used.
type followed[T any] struct {
	names   []string // empty ones are absent on purpose
	parse   func(names []string, contents [][]byte) (T, error)
	trouble func(error)
	value   atomic.Pointer[T]

	// reading holds a token of the one who looks at the files, I/O included, and guards what follows.
	reading chan struct{}
	stamps  []stamp
	sum     [sha256.Size]byte
	last    string // the trouble that was reported last
}

// stamp tells two states of a file apart.
type stamp struct {
	info     os.FileInfo
	settled  bool // changed long enough ago
	modified time.Time
	size     int64
}

func (a stamp) same(b stamp) bool {
	if a.info == nil || b.info == nil {
		return a.info == nil && b.info == nil && a.settled && b.settled
	}
	return a.settled && b.settled && a.modified.Equal(b.modified) && a.size == b.size && os.SameFile(a.info, b.info)
}

func follow[T any](names []string, parse func([]string, [][]byte) (T, error), trouble func(error)) *followed[T] {
	return &followed[T]{names: names, parse: parse, trouble: trouble, reading: make(chan struct{}, 1)}
}

// first reads the files for the first time; there must be no trouble.
func (f *followed[T]) first() error {
	f.reading <- struct{}{}
	defer func() { <-f.reading }()
	return f.look()
}

// get returns the present value; the one that is known, if the files can not be looked at in time.
func (f *followed[T]) get() T {
	if f.acquire() {
		err := f.look()
		report := err != nil && err.Error() != f.last
		f.last = ""
		if err != nil {
			f.last = err.Error()
		}
		<-f.reading
		if report {
			f.trouble(err)
		}
	}
	return *f.value.Load()
}

// acquire waits for its turn to look at the files, but not for long.
func (f *followed[T]) acquire() bool {
	select {
	case f.reading <- struct{}{}:
		return true
	default:
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case f.reading <- struct{}{}:
		return true
	case <-late.C:
		return false
	}
}

// look reads the files if they may have changed. An error leaves the value as it was, and lets the next one look again.
func (f *followed[T]) look() error {
	stamps := stampAll(f.names)
	if slices.EqualFunc(stamps, f.stamps, stamp.same) {
		return nil
	}
	contents := make([][]byte, len(f.names))
	for i, name := range f.names {
		var err error
		if contents[i], err = read(name); err != nil {
			return err
		}
	}
	sum := sumAll(contents)
	if f.value.Load() == nil || sum != f.sum {
		value, err := f.parse(f.names, contents)
		if err != nil {
			return err
		}
		f.value.Store(&value)
	}
	f.stamps, f.sum = stamps, sum
	return nil
}

// stampAll looks at the files. What is wrong with one of them is for its reader to say.
func stampAll(names []string) []stamp {
	stamps := make([]stamp, len(names))
	for i, name := range names {
		if name == "" {
			stamps[i].settled = true
			continue
		}
		if info, err := os.Stat(name); err == nil {
			settled := time.Since(info.ModTime()) > settledAfter
			stamps[i] = stamp{info: info, settled: settled, modified: info.ModTime(), size: info.Size()}
		}
	}
	return stamps
}

// read returns the content of a file, and nothing if it has no name.
func read(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFileBytes {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxFileBytes)
	}
	return content, nil
}

func sumAll(contents [][]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, content := range contents {
		fmt.Fprintf(h, "%d ", len(content))
		_, _ = h.Write(content)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// among names the files of an error.
func among(names []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" }), ", ")
}
