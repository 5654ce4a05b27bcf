package namespaces

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// space is a network namespace with a thread that never leaves it. What has to be done inside is done by that thread; a process that
// it starts is born there, and ends with it. The namespace has no name: once its thread, its processes and its file are gone, the
// kernel removes it with all that is in it, also when the lab was killed.
type space struct {
	netns *os.File
	work  chan func()
	ended chan struct{}
}

// thread is where the network namespace of the present thread can be opened.
const thread = "/proc/thread-self/ns/net"

func newSpace() (*space, error) {
	s := &space{work: make(chan func()), ended: make(chan struct{})}
	born := make(chan error)
	go s.live(born)
	if err := <-born; err != nil {
		return nil, fmt.Errorf("new network namespace: %w", err)
	}
	return s, nil
}

// live is the thread.
func (s *space) live(born chan<- error) {
	runtime.LockOSThread() // and never unlocked, so that the thread ends with this function
	if unix.Gettid() == unix.Getpid() {
		// The main thread stands for the process in /proc, and Go does not end it. While it is held here, another one is taken.
		another := make(chan error)
		go s.live(another)
		err := <-another
		runtime.UnlockOSThread()
		born <- err
		return
	}
	defer close(s.ended)
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		s.netns, err = os.Open(thread)
	}
	born <- err
	if err != nil {
		return
	}
	for f := range s.work {
		f()
	}
}

// do has f done by the thread, and waits for it.
func (s *space) do(f func() error) error {
	result := make(chan error, 1)
	s.work <- func() { result <- f() }
	return <-result
}

// close ends the thread, and the processes that it started. Nothing may be done in the space any more.
func (s *space) close() error {
	close(s.work)
	<-s.ended
	return s.netns.Close()
}

// open is the namespace as a file of its own.
func (s *space) open() (*os.File, error) {
	fd, err := unix.FcntlInt(s.netns.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	return os.NewFile(uintptr(fd), s.netns.Name()), nil
}
