package diskfault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMountPassesEverythingThrough(t *testing.T) {
	_, seen, backing := mount(t, Options{})
	want := run(t, "everything", t.TempDir())
	if got := run(t, "everything", seen); got != want {
		t.Errorf("on the disk:\n%s\nelsewhere:\n%s", got, want)
	}
	entries, err := os.ReadDir(backing)
	if err != nil || len(entries) < 300 {
		t.Errorf("%d files are in the backing directory: %v", len(entries), err)
	}
}

// A process that held the device, too, would keep the file system from ending with the lab, and wait for itself.
func TestDeviceIsNotInherited(t *testing.T) {
	_, seen, _ := mount(t, Options{})
	if said := run(t, "inherited", seen); said != "0" {
		t.Errorf("a process got %s devices", said)
	}
}

func TestRulesBiteAndHeal(t *testing.T) {
	d, seen, _ := mount(t, Options{})
	c := start(t, "try", seen)
	c.line()
	try := func(op Op, want syscall.Errno) {
		t.Helper()
		c.tell(string(op))
		if got := c.line(); got != strconv.Itoa(int(want)) {
			t.Errorf("%s: errno %s, expected %d", op, got, want)
		}
	}
	for _, op := range []Op{Look, Open, Create, Read, Write, Fsync, FsyncDir, Resize, Allocate, Rename, Link, Remove, Mkdir, Attr} {
		id := d.Set(Rule{Op: op, Err: syscall.EDQUOT})
		try(op, syscall.EDQUOT)
		if d.Bit(id) == 0 {
			t.Errorf("%s has failed, and the rule has not bitten", op)
		}
		d.Clear(id)
		try(op, 0)
	}
	id := d.Set(Rule{Op: Write, Path: "*.wal", Err: syscall.EIO})
	try(Write, 0)
	counted := d.Set(Rule{Op: Write, Path: "file", Err: syscall.EIO, After: 1, Times: 2})
	for _, want := range []syscall.Errno{0, syscall.EIO, syscall.EIO, 0} {
		try(Write, want)
	}
	if d.Bit(id) != 0 || d.Bit(counted) != 2 {
		t.Errorf("the rules have bitten %d and %d times, expected 0 and 2", d.Bit(id), d.Bit(counted))
	}
	try(Fsync, 0)
	large := d.Set(Rule{Op: Fsync, Bytes: 2, Err: syscall.EIO})
	try(Write, 0) // of one byte
	try(Fsync, 0)
	try(Write, 0)
	try(Write, 0)
	try(Fsync, syscall.EIO)
	d.Clear(large)
	slow := d.Set(Rule{Op: Fsync, Delay: 50 * time.Millisecond})
	begun := time.Now()
	try(Fsync, 0)
	if took := time.Since(begun); took < 50*time.Millisecond || d.Bit(slow) != 1 {
		t.Errorf("a slow fsync took %s", took)
	}
}

func TestFullDisk(t *testing.T) {
	d, seen, _ := mount(t, Options{})
	const free = 40 << 10
	id, err := d.Limit(free)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat(fmt.Sprintf("%d %d 0 true\n", free, free), 2)
	if got := run(t, "fill", seen) + "\n"; got != want {
		t.Errorf("free, written, free:\n%sexpected:\n%s", got, want)
	}
	if d.Bit(id) != 2 {
		t.Errorf("it had no room %d times, expected 2", d.Bit(id))
	}
	d.Clear(id)
	if err := os.WriteFile(filepath.Join(t.TempDir(), "x"), nil, 0o600); err != nil {
		t.Error(err)
	}
	c := start(t, "try", seen)
	c.line()
	c.tell(string(Write))
	if got := c.line(); got != "0" {
		t.Errorf("a write to the healed disk fails with %s", got)
	}
}

func TestFrozenDiskLetsProcessesDie(t *testing.T) {
	for _, name := range []string{"write", "bolt", "log"} {
		t.Run(name, func(t *testing.T) {
			d, seen, _ := mount(t, Options{})
			c := start(t, name, seen)
			c.line()
			id := d.Set(Rule{Freeze: true})
			eventually(t, "a call that waits", func() bool { return d.Bit(id) > 0 })
			c.kill()
			d.Clear(id)
			if name == "write" {
				return
			}
			if c = start(t, name, seen); c.line() == "" {
				t.Error("it does not start again")
			}
			c.kill()
		})
	}
}

func TestFrozenDiskLetsMappersDie(t *testing.T) {
	d, seen, _ := mount(t, Options{})
	c := start(t, "map", seen)
	c.line()
	id := d.Set(Rule{Op: Read, Freeze: true})
	c.tell("")
	eventually(t, "a page that is read", func() bool { return d.Bit(id) > 0 })
	c.kill()
}

// Signals that do not kill must not look like a fault of the disk: Go's runtime sends them to its threads all the time.
func TestFrozenDiskOutlastsSignals(t *testing.T) {
	d, seen, _ := mount(t, Options{})
	c := start(t, "fsync", seen)
	c.line()
	id := d.Set(Rule{Op: Fsync, Freeze: true})
	c.tell("")
	eventually(t, "a sync that waits", func() bool { return d.Bit(id) > 0 })
	for range 5 {
		if err := c.cmd.Process.Signal(syscall.SIGURG); err != nil {
			t.Fatal(err)
		}
	}
	d.Clear(id)
	if said := c.wait(); !c.cmd.ProcessState.Success() {
		t.Errorf("it says %q", said)
	}
}

func TestUnmountEndsWhatWaits(t *testing.T) {
	d, seen, _ := mount(t, Options{})
	c := start(t, "write", seen)
	c.line()
	id := d.Set(Rule{Freeze: true})
	eventually(t, "a call that waits", func() bool { return d.Bit(id) > 0 })
	if err := d.Unmount(); err != nil {
		t.Fatal(err)
	}
	if c.wait(); c.cmd.ProcessState.Success() {
		t.Error("a process that writes for ever has ended well")
	}
}

// The next process sees what the disk has, and not what the kernel remembers of files that were read and mapped before.
func TestPowerCutReachesTheNextProcess(t *testing.T) {
	d, seen, _ := mount(t, Options{})
	c := start(t, "write", seen, "unsynced")
	for c.line() != "done" {
	}
	if said := run(t, "read", seen); !strings.HasSuffix(said, "0000020") {
		t.Fatalf("before the cut the file holds %q", said)
	}
	c.kill()
	cut, err := d.PowerCut(rand.New(rand.NewPCG(1, 1)), Loss{})
	if err != nil || cut.Writes != 11 || cut.Files != 1 || cut.Names != 0 {
		t.Errorf("the cut lost %v: %v; expected 11 writes", cut, err)
	}
	if said := run(t, "read", seen); !strings.HasSuffix(said, "0000009") {
		t.Errorf("after the cut the file holds %q", said)
	}
}

func TestPowerCutTakesOpenFilesAway(t *testing.T) {
	d, seen, _ := mount(t, Options{})
	c := start(t, "try", seen)
	c.line()
	c.tell(string(Write))
	c.line()
	if _, err := d.PowerCut(rand.New(rand.NewPCG(1, 1)), Loss{}); err != nil {
		t.Fatal(err)
	}
	c.tell(string(Write))
	if got := c.line(); got != strconv.Itoa(int(syscall.EIO)) {
		t.Errorf("a write to a file from before the cut: errno %s", got)
	}
}

func TestOneJournalKeepsNames(t *testing.T) {
	for _, one := range []bool{false, true} {
		d, seen, backing := mount(t, Options{OneJournal: one})
		c := start(t, "try", seen)
		c.line()
		for _, op := range []Op{Create, Mkdir, Fsync} {
			c.tell(string(op))
			c.line()
		}
		c.kill()
		if _, err := d.PowerCut(rand.New(rand.NewPCG(1, 1)), Loss{}); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(backing)
		if want := map[bool]int{false: 0, true: 3}[one]; err != nil || len(entries) != want {
			t.Errorf("one journal %v: %d names are left, expected %d", one, len(entries), want)
		}
	}
}

func TestFailedSyncDropsWhatWasWritten(t *testing.T) {
	for _, drop := range []bool{false, true} {
		d, seen, backing := mount(t, Options{OneJournal: true})
		c := start(t, "try", seen)
		c.line()
		d.Set(Rule{Op: Fsync, Err: syscall.EIO, Drop: drop, Times: 1})
		for _, op := range []Op{Write, Fsync, Fsync} {
			c.tell(string(op))
			c.line()
		}
		c.kill()
		if _, err := d.PowerCut(rand.New(rand.NewPCG(1, 1)), Loss{}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(backing, "file"))
		if want := map[bool]string{false: "x", true: "\x00"}[drop]; err != nil || string(data) != want {
			t.Errorf("drop %v: after another sync and a power cut the file holds %q: %v", drop, data, err)
		}
	}
}

// What bbolt and our write-ahead log have synced is there after any power cut, and nothing is damaged.
func TestDatabasesSurvivePowerCuts(t *testing.T) {
	for _, name := range []string{"bolt", "log"} {
		for _, loss := range []Loss{{}, {Torn: true}, {Keep: KeepPrefix, Torn: true}, {Keep: KeepAny}} {
			t.Run(fmt.Sprintf("%s %+v", name, loss), func(t *testing.T) {
				t.Parallel()
				d, seen, _ := mount(t, Options{})
				rng := rand.New(rand.NewPCG(1, 1))
				acknowledged, lost := 0, 0
				for range 5 {
					c := start(t, name, seen)
					found, err := strconv.Atoi(c.line())
					if err != nil || found < acknowledged || found > acknowledged+1 {
						t.Fatalf("found %d, %v; %d were acknowledged", found, err, acknowledged)
					}
					acknowledged = found
					// The power goes within a sync.
					id := d.Set(Rule{Op: Fsync, Freeze: true, After: rng.IntN(30)})
					eventually(t, "a sync that waits", func() bool { return d.Bit(id) > 0 })
					if said := c.kill(); len(said) > 0 {
						if acknowledged, err = strconv.Atoi(said[len(said)-1]); err != nil {
							t.Fatal(err)
						}
					}
					d.Clear(id)
					cut, err := d.PowerCut(rng, loss)
					if err != nil {
						t.Fatal(err)
					}
					lost += cut.Writes
				}
				if lost == 0 && loss.Keep == KeepNothing { // the others may keep everything
					t.Error("no write was lost")
				}
			})
		}
	}
}
