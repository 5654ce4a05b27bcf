package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"quoin.dev/pkg/vfs"
)

// preallocator keeps one file of full size ready, so that the cut of a segment does not wait for the file system. The
// names alternate, since the file taken last keeps its name until it is renamed.
type preallocator struct {
	dir     string
	options Options
	ready   chan spareFile
	stop    chan struct{}
	done    chan struct{}
	err     error // of the last file; read after done
}

var spareNames = [2]string{"0.tmp", "1.tmp"}

type spareFile struct {
	file vfs.File
	name string
	err  error
}

func newPreallocator(dir string, o Options) *preallocator {
	p := &preallocator{dir: dir, options: o, ready: make(chan spareFile), stop: make(chan struct{}), done: make(chan struct{})}
	go p.run()
	return p
}

// take returns the prepared file, locked, and its name.
func (p *preallocator) take() (vfs.File, string, error) {
	s := <-p.ready
	return s.file, s.name, s.err
}

func (p *preallocator) run() {
	defer close(p.done)
	for i := 0; ; i++ {
		s := p.prepare(filepath.Join(p.dir, spareNames[i%2]))
		select {
		case p.ready <- s:
		case <-p.stop:
			p.err = p.discard(s)
			return
		}
	}
}

func (p *preallocator) prepare(name string) spareFile {
	f, err := vfs.Create(p.options.FS, name, filePerm)
	if err != nil {
		return spareFile{name: name, err: err}
	}
	err = f.TryLock()
	if err == nil {
		err = f.Preallocate(p.options.SegmentBytes)
	}
	if err == nil {
		err = f.Sync() // so that a sync of records has no block allocation to write
	}
	if err != nil {
		return spareFile{name: name, err: errors.Join(err, f.Close(), p.options.FS.Remove(name))}
	}
	return spareFile{file: f, name: name}
}

// discard removes a file that nobody took. A failure to prepare it, like a full disk, hurts nobody any more.
func (p *preallocator) discard(s spareFile) error {
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	if removeErr := p.options.FS.Remove(s.name); !errors.Is(removeErr, fs.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	return err
}

// close stops the goroutine and removes its file.
func (p *preallocator) close() error {
	close(p.stop)
	<-p.done
	if p.err != nil {
		return fmt.Errorf("wal: remove the prepared segment: %w", p.err)
	}
	return nil
}
