// Package diskfault is a file system with faults: a directory seen through FUSE, whose calls fail, hang or are slow when the lab
// says so, and which knows what a power cut would take.
//
// # What is on the disk
//
// Every write goes through to the backing directory at once, and the file system remembers how to undo it until a sync follows. So
// the backing directory is what a process sees, and what is remembered is the difference to what a disk would have after the power
// was cut. A sync of a file makes what the file holds durable, and nothing else: its name needs a sync of its directory, and the name
// of that directory one of the directory above. POSIX promises no more. Options.OneJournal is the friendlier way of ext4.
//
// A rename is one change, also between two directories, and durable with a sync of either; what it builds on becomes durable with it.
// Modes, owners and times of files are not remembered: they survive. So does everything that the backing directory held before.
//
// # Rules for the lab
//
// The process that has mounted a disk never opens a file of it through the mount: the Go runtime would wait for itself. It looks at
// the backing directory instead, which may be changed while nobody uses the disk.
package diskfault

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Options say where a disk is and how it treats names.
type Options struct {
	// Backing is a directory that holds the files. Beside it, as Backing + ".aside", is kept what a power cut may bring back.
	Backing string
	// Mountpoint is an empty directory where the files are seen.
	Mountpoint string
	// OneJournal makes all names durable with any sync, as file systems with one journal do. Without it a name is durable only after
	// a sync of its directory.
	OneJournal bool
	// JournalBytes bounds the memory for what is not synced yet: 0 stands for 256 MiB. What exceeds it is taken for synced, a file at
	// a time, as if the kernel had found it time to write it; Overflows tells.
	JournalBytes int64
}

const defaultJournalBytes = 256 << 20

// Disk is a mounted file system. Its methods may be called from many goroutines.
type Disk struct {
	options Options
	server  *fuse.Server
	served  chan struct{} // closed when the last call has been answered

	rules    rules
	space    space
	budget   budget
	names    *names
	contents contents
	tree     tree
	handles  handles

	// gate is held, shared, while a call changes or reads the backing directory, and alone by a power cut. It is taken before every
	// other lock, and never while a call waits because of a rule.
	gate sync.RWMutex
	// boots counts the power cuts. Files that were opened before the last one are no good any more.
	boots atomic.Uint64

	closing   chan struct{} // closed when the disk is to be unmounted: nobody waits any more
	closeOnce sync.Once
}

// Mount makes the backing directory visible at the mountpoint. It needs root and /dev/fuse.
func Mount(o Options) (*Disk, error) {
	o.JournalBytes = cmp.Or(o.JournalBytes, defaultJournalBytes)
	d := &Disk{options: o, served: make(chan struct{}), closing: make(chan struct{})}
	if err := d.open(); err != nil {
		return nil, fmt.Errorf("diskfault: mount %s: %w", o.Mountpoint, errors.Join(err, d.release()))
	}
	go func() {
		d.server.Serve()
		close(d.served)
	}()
	return d, nil
}

func (d *Disk) open() error {
	if err := detachDead(d.options.Mountpoint); err != nil {
		return err
	}
	d.budget.limit = d.options.JournalBytes
	var err error
	if d.names, err = openNames(d.options.Backing+".aside", &d.budget, &d.space); err != nil {
		return err
	}
	d.contents.budget, d.contents.space = &d.budget, &d.space
	if err := d.tree.open(d.options.Backing); err != nil {
		return err
	}
	// No process may begin between the opening of the device and the note that it is not to be inherited: who had it as well would
	// keep the file system from ending with this process.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	d.server, err = fuse.NewServer(&volume{fuse.NewDefaultRawFileSystem(), d}, d.options.Mountpoint, &fuse.MountOptions{
		Name: "quoinlab", FsName: filepath.Base(d.options.Backing),
		AllowOther: true, DirectMountStrict: true,
		Options:            []string{"default_permissions"},
		DisableXAttrs:      true,
		DisableReadDirPlus: true,
		// The kernel drops what it has cached of a file when the file is opened, and asks for names and attributes each time. It must
		// not drop pages for every write besides, which it would take for one of somebody else.
		ExplicitDataCacheControl: true,
		// Replies to calls of processes that were killed meanwhile find nobody; nothing else would be logged.
		Logger:       log.New(io.Discard, "", 0),
		PanicHandler: func(what any) fuse.Status { panic(what) },
	})
	if err != nil {
		return err
	}
	if err := keepDevices(); err != nil {
		return errors.Join(err, unix.Unmount(d.options.Mountpoint, unix.MNT_DETACH))
	}
	return nil
}

// keepDevices keeps processes that are started later from inheriting the devices of file systems, which the library does not.
func keepDevices() error {
	const dir = "/proc/self/fd"
	open, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range open {
		fd, err := strconv.Atoi(e.Name())
		if target, linkErr := os.Readlink(dir + "/" + e.Name()); err == nil && linkErr == nil && target == "/dev/fuse" {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// detachDead takes away the mount of a lab that has ended without doing so.
func detachDead(mountpoint string) error {
	if _, err := os.Stat(mountpoint); !errors.Is(err, syscall.ENOTCONN) {
		return nil
	}
	return os.NewSyscallError("umount", unix.Unmount(mountpoint, unix.MNT_DETACH))
}

// Unmount heals everything and takes the file system away, also from processes that still use it. What was not synced stays in the
// backing directory.
func (d *Disk) Unmount() error {
	var err error
	d.closeOnce.Do(func() {
		close(d.closing)
		if err = unix.Unmount(d.options.Mountpoint, 0); err != nil {
			// Somebody uses it. What he calls from now on fails.
			err = unix.Unmount(d.options.Mountpoint, unix.MNT_FORCE|unix.MNT_DETACH)
		}
		if err == nil {
			<-d.served
		}
		if err = errors.Join(err, d.release()); err != nil {
			err = fmt.Errorf("diskfault: unmount %s: %w", d.options.Mountpoint, err)
		}
	})
	return err
}

// release gives back what the disk holds of the backing directory.
func (d *Disk) release() error {
	d.handles.close()
	d.contents.close()
	d.tree.close()
	if d.names == nil {
		return nil
	}
	return d.names.close()
}

// Overflows is how often something was taken for synced because the memory for what is not had been used up.
func (d *Disk) Overflows() int64 { return d.budget.overflows.Load() }
