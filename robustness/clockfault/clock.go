// Package clockfault makes the wall clock of a single Go program jump, also of a static one in a container of its own.
//
// There is one wall clock for a whole machine, and a program without libc leaves nothing to preload. So the program is built with a
// time package whose Now adds an offset to the wall time (Overlay), which it finds in a file that this process writes to (Open). What
// Go measures spans of time with is left alone: that clock does not jump on a real machine either.
package clockfault

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Variable is the environment variable that tells a program which file its offset is in. Without it the clock is the usual one.
const Variable = "QUOIN_LAB_CLOCK"

// Clock is the offset of the wall clock of those programs that were started with its variable.
type Clock struct {
	path string
	page []byte
}

// Open makes the file of a clock, or opens one that is there, with the offset that it has.
func Open(path string) (*Clock, error) {
	c, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("clockfault: open %s: %w", path, err)
	}
	return c, nil
}

func open(path string) (*Clock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := file.Truncate(int64(os.Getpagesize())); err != nil {
		return nil, err
	}
	page, err := syscall.Mmap(int(file.Fd()), 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &Clock{path, page}, nil
}

// Env is the variable, with its value, that a program needs. It has to see the file under the same path.
func (c *Clock) Env() string { return Variable + "=" + c.path }

// Jump moves the clock, forwards or backwards, from one moment to the next.
func (c *Clock) Jump(d time.Duration) { atomic.AddInt64(c.offset(), int64(d)) }

// Offset is how far the clock is ahead of that of the machine.
func (c *Clock) Offset() time.Duration { return time.Duration(atomic.LoadInt64(c.offset())) }

// offset is the first word of the page; programs read it the same way.
func (c *Clock) offset() *int64 { return (*int64)(unsafe.Pointer(unsafe.SliceData(c.page))) }

// Close lets go of the file. Programs keep the offset that the clock has.
func (c *Clock) Close() error {
	if err := syscall.Munmap(c.page); err != nil {
		return fmt.Errorf("clockfault: close %s: %w", c.path, err)
	}
	return nil
}
