package diskfault

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// call is one call of a process, as far as rules are concerned.
type call struct {
	pid    uint32          // thread that has made it, 0 for the kernel itself
	cancel <-chan struct{} // closed when a signal has come for it
	op     Op
	path   string
	bytes  int64 // that a sync of a file is about
}

// obey does what the rules say about a call. It returns the error that the call has to fail with, and whether a failed sync loses
// what was written.
func (d *Disk) obey(c call) (errno syscall.Errno, drop bool) {
	for _, rule := range d.rules.biting(c) {
		if rule.Freeze || rule.Delay > 0 {
			if errno := d.wait(c, rule); errno != 0 {
				return errno, false
			}
		}
		if rule.Err != 0 {
			return rule.Err, rule.Drop
		}
	}
	return 0, false
}

// dyingInterval is how often a call that waits looks whether its process is being killed. The kernel announces only the first
// signal, and Go's runtime sends harmless ones all the time.
const dyingInterval = 10 * time.Millisecond

// wait makes a call wait as a rule says. A signal does not end that, as it would not on a real disk, except one that kills the
// process: the process could not end before the call has, and nobody could mend the disk by starting it again.
func (d *Disk) wait(c call, rule *armed) syscall.Errno {
	var over, look <-chan time.Time
	if !rule.Freeze {
		timer := time.NewTimer(rule.Delay)
		defer timer.Stop()
		over = timer.C
	}
	cancel := c.cancel
	for {
		select {
		case <-rule.healed:
			return 0
		case <-over:
			return 0
		case <-d.closing:
			return syscall.EIO
		case <-cancel:
			cancel = nil
			ticker := time.NewTicker(dyingInterval)
			defer ticker.Stop()
			look = ticker.C
		case <-look:
		}
		if cancel == nil && dying(c.pid) {
			return syscall.EINTR
		}
	}
}

// dying tells whether a thread is gone, or has a SIGKILL waiting for it: a signal that ends a process comes to its threads as one.
func dying(tid uint32) bool {
	if tid == 0 {
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return true
	}
	const kill = 1 << (uint(syscall.SIGKILL) - 1)
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		if pending, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64); err == nil && pending&kill != 0 {
			return true
		}
	}
	return false
}

// admit lets a call about a node through, or not. A call that was let through ends with d.gate.RUnlock.
func (d *Disk) admit(cancel <-chan struct{}, header *fuse.InHeader, op Op, n *node, name string) fuse.Status {
	errno, _ := d.admitSync(cancel, header, op, n, name, 0)
	return errno
}

func (d *Disk) admitSync(cancel <-chan struct{}, header *fuse.InHeader, op Op, n *node, name string, bytes int64) (fuse.Status, bool) {
	boot := d.boots.Load()
	if d.rules.some.Load() {
		errno, drop := d.obey(call{header.Pid, cancel, op, d.tree.path(n, name), bytes})
		if errno != 0 {
			return fuse.Status(errno), drop
		}
	}
	d.gate.RLock()
	if boot != d.boots.Load() {
		d.gate.RUnlock()
		return fuse.EIO, false // the power went while it waited
	}
	return fuse.OK, false
}
