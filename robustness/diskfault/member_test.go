package diskfault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"quoin.dev/client"

	"quoin.dev/quoin/e2e/cluster"
)

// repeats is how often a test does what it does at random: more often by QUOIN_LAB_REPEATS.
func repeats(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("QUOIN_LAB_REPEATS")); err == nil {
		return n
	}
	return usual
}

// newMember makes a cluster of one whose data is in a directory. It is not started.
func newMember(t *testing.T, dir string, flags ...string) (*cluster.Cluster, *cluster.Member) {
	t.Helper()
	c, err := cluster.New(cluster.Options{Members: 1, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.Members[0].Dir = dir
	return c, c.Members[0]
}

// startTimeout is generous: a member that comes back on a busy machine may have a segment of its log to look through and copy.
const startTimeout = 2 * time.Minute

func startMember(m *cluster.Member) error {
	if err := m.Launch(); err != nil {
		return err
	}
	return m.WaitReady(startTimeout)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// load puts keys from several clients, and remembers what was acknowledged. The mutex guards the map.
type load struct {
	cluster *cluster.Cluster
	mu      sync.Mutex
	next    [8]int // of each client; used by it alone
	acked   map[string]bool
}

// start begins to put, until the returned function is called.
func (l *load) start(t *testing.T) (stop func()) {
	t.Helper()
	c, err := l.cluster.Client()
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for i := range l.next {
		done.Go(func() {
			for ; ctx.Err() == nil; l.next[i]++ {
				key := fmt.Sprintf("%d/%05d", i, l.next[i])
				if _, err := c.Put(ctx, key, strings.Repeat("v", 1+l.next[i]*7919%3000)); err != nil {
					continue
				}
				l.mu.Lock()
				l.acked[key] = true
				l.mu.Unlock()
			}
		})
	}
	return func() {
		cancel()
		done.Wait()
		_ = c.Close()
	}
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// missing are the keys that were acknowledged and are not there.
func (l *load) missing(t *testing.T) (keys []string) {
	t.Helper()
	c, err := l.cluster.Client()
	must(t, err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := c.Get(ctx, "", client.WithPrefix(), client.WithKeysOnly())
	must(t, err)
	there := map[string]bool{}
	for _, kv := range r.Kvs {
		there[string(kv.Key)] = true
	}
	for key := range l.acked {
		if !there[key] {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// etcd#14140, etcd#15069: the power goes while the member syncs, and what was not synced is lost, in whole or in parts.
func TestMemberKeepsWhatItAcknowledgedThroughPowerCuts(t *testing.T) {
	for _, loss := range []Loss{{}, {Keep: KeepPrefix, Torn: true}, {Keep: KeepAny}} {
		t.Run(fmt.Sprintf("%+v", loss), func(t *testing.T) {
			t.Parallel()
			d, seen, _ := mount(t, Options{})
			rng := rand.New(rand.NewPCG(1, uint64(loss.Keep)))
			c, m := newMember(t, filepath.Join(seen, "m"), "--snapshot-count=100")
			l := &load{cluster: c, acked: map[string]bool{}}
			var all Cut
			must(t, startMember(m))
			for range repeats(2) {
				before := l.count()
				stop := l.start(t)
				eventually(t, "some puts", func() bool { return l.count() > before+20 })
				id := d.Set(Rule{Op: Fsync, Freeze: true, After: rng.IntN(40)})
				eventually(t, "a sync that waits", func() bool { return d.Bit(id) > 0 })
				must(t, m.Kill())
				stop()
				d.Clear(id)
				cut, err := d.PowerCut(rng, loss)
				must(t, err)
				all.Writes += cut.Writes
				must(t, startMember(m))
				if lost := l.missing(t); len(lost) > 0 {
					t.Fatalf("%s; of %d keys that were acknowledged these are gone: %q", cut, l.count(), lost)
				}
			}
			must(t, m.Stop())
			if all.Writes == 0 && loss.Keep == KeepNothing { // the others may keep everything
				t.Error("no cut has lost anything")
			}
			t.Logf("%d keys acknowledged, %d writes lost", l.count(), all.Writes)
		})
	}
}

// etcd#16596: the power goes on the very first start, before anything was acknowledged; the second start must found the cluster.
func TestMemberStartsAfterAPowerCutOnItsFirstStart(t *testing.T) {
	d, seen, _ := mount(t, Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	losses := []Loss{{}, {Keep: KeepPrefix, Torn: true}, {Keep: KeepAny}}
	ops := []Op{Write, Fsync, FsyncDir, Rename, Create, Allocate}
	bitten := 0
	for i := range repeats(3) {
		loss, op, after := losses[i%3], ops[rng.IntN(len(ops))], rng.IntN(6)
		_, m := newMember(t, filepath.Join(seen, fmt.Sprint("m", i)))
		id := d.Set(Rule{Op: op, Freeze: true, After: after})
		must(t, m.Launch())
		eventually(t, "a call that waits, or a member that is ready", func() bool {
			return d.Bit(id) > 0 || strings.Contains(m.Log(), "ready to serve client requests")
		})
		must(t, m.Kill())
		bitten += d.Bit(id)
		d.Clear(id)
		cut, err := d.PowerCut(rng, loss)
		must(t, err)
		if err := startMember(m); err != nil {
			t.Fatalf("power cut at %s %d (%s): %v", op, after+1, cut, err)
		}
		must(t, m.Stop())
	}
	if bitten == 0 {
		t.Error("the power never went before the member was ready")
	}
}

// etcd#11918, etcd#11924, etcd#11220: damage at rest is found, and said; or it does no harm.
func TestMemberFindsDamage(t *testing.T) {
	_, seen, backing := mount(t, Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	c, m := newMember(t, filepath.Join(seen, "whole"), "--snapshot-count=50")
	l := &load{cluster: c, acked: map[string]bool{}}
	must(t, startMember(m))
	stop := l.start(t)
	eventually(t, "puts", func() bool { return l.count() > 200 })
	stop()
	must(t, m.Stop())
	harms := []struct {
		pattern string
		do      func(path string) (Damage, error)
		mayLose bool // nobody can tell it from a write that was not synced
	}{
		{"member/wal/*.wal", func(p string) (Damage, error) { return FlipBit(rng, p) }, false},
		{"member/snap/*.snap", func(p string) (Damage, error) { return FlipBit(rng, p) }, false},
		{"member/wal/*.wal", func(p string) (Damage, error) { return ZeroTail(p, 1+rng.Int64N(5000)) }, true},
		{"member/wal/*.wal", func(p string) (Damage, error) { return Truncate(p, 1+rng.Int64N(5000)) }, true},
	}
	for i := range repeats(len(harms)) {
		harm, name := harms[i%len(harms)], fmt.Sprint("copy", i)
		must(t, os.CopyFS(filepath.Join(backing, name), os.DirFS(filepath.Join(backing, "whole"))))
		files, err := filepath.Glob(filepath.Join(backing, name, harm.pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", harm.pattern, err)
		}
		damage, err := harm.do(files[len(files)-1])
		must(t, err)
		m.Dir = filepath.Join(seen, name)
		if err := startMember(m); err != nil {
			if m.Running() || m.ExitCode() != 1 || strings.Contains(m.Log(), "goroutine ") || !strings.Contains(m.Log(), filepath.Base(damage.Path)) {
				t.Errorf("%s: expected an end that names the file: %v", damage, err)
			}
			continue
		}
		if lost := l.missing(t); len(lost) > 0 && !harm.mayLose {
			t.Errorf("%s: it serves, and of %d keys %d are gone", damage, l.count(), len(lost))
		}
		must(t, m.Stop())
		must(t, os.RemoveAll(filepath.Join(backing, name)))
	}
}

// A sync fails, and what it was about does not reach the disk, though the kernel shows it: the member ends, and one that is started
// again must not build on what it reads. Then the power goes.
func TestMemberKeepsWhatItAcknowledgedAfterAFailedSync(t *testing.T) {
	for _, file := range []string{"*.wal", "db"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			d, seen, _ := mount(t, Options{})
			rng := rand.New(rand.NewPCG(1, 1))
			c, m := newMember(t, filepath.Join(seen, "m"), "--snapshot-count=100")
			l := &load{cluster: c, acked: map[string]bool{}}
			must(t, startMember(m))
			for range repeats(1) {
				before := l.count()
				stop := l.start(t)
				eventually(t, "some puts", func() bool { return l.count() > before+20 })
				id := d.Set(Rule{Op: Fsync, Path: file, Err: syscall.EIO, Drop: true, Times: 1, After: rng.IntN(10)})
				eventually(t, "an end of the member", func() bool { return !m.Running() })
				stop()
				d.Clear(id)
				id = d.Set(Rule{Op: Fsync, Path: file, Freeze: true, After: rng.IntN(20)})
				must(t, m.Launch())
				stop = l.start(t)
				eventually(t, "a sync that waits", func() bool { return d.Bit(id) > 0 })
				must(t, m.Kill())
				stop()
				d.Clear(id)
				cut, err := d.PowerCut(rng, Loss{})
				must(t, err)
				must(t, startMember(m))
				if lost := l.missing(t); len(lost) > 0 {
					t.Fatalf("%s; of %d keys that were acknowledged these are gone: %q", cut, l.count(), lost)
				}
			}
			must(t, m.Stop())
		})
	}
}
