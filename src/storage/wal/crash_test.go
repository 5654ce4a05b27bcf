package wal

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/pkg/vfs"
)

// model is the slow twin of a log: what a reader may find after each record.
type model struct {
	mu      sync.Mutex
	state   hardState
	log     []*raftpb.Entry
	history []string // summaries, one per record appended
	synced  int      // those of history that a power cut must not take back
}

func (m *model) note() {
	m.history = append(m.history, summary(&Contents{HardState: m.state.message(), Entries: m.log}))
}

func (m *model) append(hs *raftpb.HardState, entries []*raftpb.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		m.log = append(append([]*raftpb.Entry{}, m.log[:e.GetIndex()-1]...), e)
		m.note()
	}
	if hs != nil {
		m.state = hardStateOf(hs)
		m.note()
	}
}

func (m *model) sync() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.synced = len(m.history) - 1
}

// check compares a log read back with every state that may have survived, and returns the one it is.
func (m *model) check(c *Contents, from int) (int, error) {
	got := summary(c)
	for i := len(m.history) - 1; i >= from; i-- {
		if m.history[i] == got {
			return i, nil
		}
	}
	return 0, fmt.Errorf("found %s; the last sync was of %s, written was %s", got, m.history[from], m.history[len(m.history)-1])
}

// cutter cuts the power before every n-th operation of the file system and looks at what is left.
type cutter struct {
	t     *testing.T
	mem   *vfs.Mem
	model *model
	rng   *rand.Rand
	mu    sync.Mutex
	ops   int
	every int
	cuts  int
	torn  int
}

func (c *cutter) step() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops++
	if c.ops%c.every != 0 {
		return
	}
	c.model.mu.Lock()
	defer c.model.mu.Unlock()
	percent := []int{0, 50, 90, 100}[c.rng.IntN(4)]
	after := c.mem.PowerCut(func() bool { return c.rng.IntN(100) < percent })
	c.cuts++
	if !Exists("/member/wal", after) {
		if c.model.synced > 0 {
			c.t.Fatalf("operation %d: the log is gone", c.ops)
		}
		return
	}
	o := Options{FS: after, SegmentBytes: crashSegmentBytes}
	w, contents, err := Open("/member/wal", Mark{}, o)
	if err != nil {
		c.t.Fatalf("operation %d, %d%% kept: %v", c.ops, percent, err)
	}
	found, err := c.model.check(contents, c.model.synced)
	if err != nil {
		c.t.Fatalf("operation %d, %d%% kept: %v", c.ops, percent, err)
	}
	if strings.Contains(strings.Join(names(c.t, after, "/member/wal"), " "), brokenSuffix) {
		c.torn++
	}
	// The log goes on after the cut, and a second cut takes nothing back.
	next := uint64(len(contents.Entries)) + 1
	must(c.t, w.Append(state(1000, 1, next), entries(next, next, 1000)), w.Sync())
	again, err := Read("/member/wal", Mark{}, Options{FS: after.PowerCut(nil)})
	must(c.t, err)
	if want := "{1000 1 " + fmt.Sprint(next) + "}" + c.model.history[found][strings.Index(c.model.history[found], "}")+1:] + fmt.Sprintf(" %d/1000", next); summary(again) != want {
		c.t.Fatalf("operation %d: after the cut %s, want %s", c.ops, summary(again), want)
	}
	must(c.t, w.Close())
}

const crashSegmentBytes = 16 << 10

var seeds = flag.Uint64("seeds", 12, "how many random runs to cut")

// TestPowerCut cuts the power at every kind of operation of random runs, keeping random sectors of what was not synced.
// Every synced record is there after it, and what follows is a prefix of what was written. (etcd#14370, etcd#15069, etcd#16596)
func TestPowerCut(t *testing.T) {
	var cuts, torn int
	for seed := range *seeds {
		mem := vfs.NewMem()
		must(t, mem.MkdirAll("/member", 0o700), mem.SyncDir("/"))
		m := &model{}
		m.note()
		c := &cutter{t: t, mem: mem, model: m, rng: rand.New(rand.NewPCG(seed, 1)), every: 1 + int(seed%4)}
		faulty := vfs.NewFault(mem, vfs.Rule{Do: c.step})
		rng := rand.New(rand.NewPCG(seed, 2))
		w, err := Create("/member/wal", []byte("metadata"), Options{FS: faulty, SegmentBytes: crashSegmentBytes})
		must(t, err)
		term, last, commit := uint64(1), uint64(0), uint64(0)
		for range 80 {
			if rng.IntN(10) == 0 {
				term++
				last = max(commit, last-min(last, rng.Uint64N(4)))
			}
			n := rng.Uint64N(5)
			var batch []*raftpb.Entry
			for i := range n {
				batch = append(batch, randomEntry(rng, last+1+i, term))
			}
			last += n
			if commit < last {
				commit += rng.Uint64N(last - commit + 1)
			}
			var hs *raftpb.HardState
			if rng.IntN(3) > 0 || n == 0 {
				hs = state(term, 1, commit)
			}
			m.append(hs, batch)
			must(t, w.Append(hs, batch))
			if rng.IntN(2) == 0 {
				must(t, w.Sync())
				m.sync()
			}
		}
		must(t, w.Close())
		c.mu.Lock()
		cuts, torn = cuts+c.cuts, torn+c.torn
		c.mu.Unlock()
	}
	if cuts < 500 || torn < 20 {
		t.Fatalf("only %d cuts, %d of them through a record: the test has lost its grip", cuts, torn)
	}
}

// randomEntry has no byte of zero in its data, so that the model need not tell lost from written zeros.
func randomEntry(rng *rand.Rand, index, term uint64) *raftpb.Entry {
	data := make([]byte, rng.IntN(3000))
	for i := range data {
		data[i] = byte(1 + rng.IntN(255))
	}
	return entry(index, term, string(data))
}

// tornLog returns a log whose last record, an entry of 5000 bytes, and the place of that in the segment.
func tornLog(t *testing.T) (mem *vfs.Mem, path string, start, end int64) {
	t.Helper()
	mem = vfs.NewMem()
	w := create(t, mem, Options{SegmentBytes: 20_000})
	must(t, w.Append(state(1, 1, 5), entries(1, 5, 1)))
	start = w.offset
	must(t, w.Append(nil, []*raftpb.Entry{entry(6, 1, strings.Repeat("x", 5000))}), w.Sync())
	end = w.offset
	must(t, w.Close())
	return mem, "/member/wal/0000000000000000-0000000000000000.wal", start, end
}

// TestTornSectors loses every sector of the last record, one at a time. (etcd#15069)
func TestTornSectors(t *testing.T) {
	g := NewWithT(t)
	mem, path, start, end := tornLog(t)
	before, err := vfs.ReadFile(mem, path)
	must(t, err)
	tests := 0
	for sector := (start + sectorBytes) / sectorBytes * sectorBytes; sector < end; sector += sectorBytes {
		tests++
		overwrite(t, mem, path, 0, before)
		overwrite(t, mem, path, sector, make([]byte, sectorBytes))
		torn, err := vfs.ReadFile(mem, path)
		must(t, err)
		g.Expect(summary(read(t, mem, Mark{}))).To(Equal("{1 1 5} 1/1 2/1 3/1 4/1 5/1"))
		g.Expect(vfs.ReadFile(mem, path)).To(Equal(torn), "Read changes nothing")

		w, c, err := Open("/member/wal", Mark{}, Options{FS: mem, SegmentBytes: 20_000})
		must(t, err)
		g.Expect(c.Entries).To(HaveLen(5))
		g.Expect(vfs.ReadFile(mem, path+brokenSuffix)).To(Equal(torn))
		must(t, w.Append(nil, entries(6, 7, 1)), w.Close())
		g.Expect(read(t, mem, Mark{}).Entries).To(HaveLen(7))
	}
	g.Expect(tests).To(BeNumerically(">=", 9))
}

// TestPowerCutInRepair cuts the power at every operation of a start that repairs the log: the next one finds the same.
func TestPowerCutInRepair(t *testing.T) {
	mem, path, start, _ := tornLog(t)
	overwrite(t, mem, path, (start+sectorBytes)/sectorBytes*sectorBytes, make([]byte, sectorBytes))
	f, err := mem.OpenFile(path, os.O_RDWR, 0)
	must(t, err, f.Sync(), f.Close())
	rng := rand.New(rand.NewPCG(1, 3))
	cuts := 0
	var mu sync.Mutex
	cut := func() {
		mu.Lock()
		defer mu.Unlock()
		for range 4 {
			cuts++
			after := mem.PowerCut(func() bool { return rng.IntN(2) == 0 })
			w, c, err := Open("/member/wal", Mark{}, Options{FS: after, SegmentBytes: 20_000})
			must(t, err)
			if got := summary(c); got != "{1 1 5} 1/1 2/1 3/1 4/1 5/1" {
				t.Errorf("cut %d: %s", cuts, got)
			}
			must(t, w.Append(nil, entries(6, 6, 1)), w.Close())
			if got := len(read(t, after, Mark{}).Entries); got != 6 {
				t.Errorf("cut %d: %d entries", cuts, got)
			}
		}
	}
	w, _, err := Open("/member/wal", Mark{}, Options{FS: vfs.NewFault(mem, vfs.Rule{Do: cut}), SegmentBytes: 20_000})
	must(t, err, w.Close())
	if mu.Lock(); cuts < 40 {
		t.Errorf("only %d cuts", cuts)
	}
	mu.Unlock()
}

// TestZeroFilledTail zeroes the newest segment from every offset on. (etcd#11220, etcd#6515)
func TestZeroFilledTail(t *testing.T) {
	mem := vfs.NewMem()
	w := create(t, mem, Options{SegmentBytes: 4096})
	var ends []int64
	for i := uint64(1); i <= 12; i++ {
		must(t, w.Append(nil, entries(i, i, 1)))
		ends = append(ends, w.offset)
	}
	must(t, w.Close())
	path := "/member/wal/0000000000000000-0000000000000000.wal"
	before, err := vfs.ReadFile(mem, path)
	must(t, err)
	for from := int64(80); from < 4096; from++ {
		overwrite(t, mem, path, 0, before)
		overwrite(t, mem, path, from, make([]byte, 4096-from))
		want := 0
		for want < len(ends) && ends[want] <= from {
			want++
		}
		c, err := Read("/member/wal", Mark{}, Options{FS: mem})
		if err != nil {
			t.Fatalf("zeros from %d on: %v", from, err)
		}
		// Zeros over the padding of a record leave it whole.
		if got := len(c.Entries); got != want && (got != want+1 || from < ends[want]-7) {
			t.Fatalf("zeros from %d on: %d entries, want %d", from, got, want)
		}
	}
}

// TestCutFile ends the newest segment at every length, as a file system does that lost the last extension of a file.
func TestCutFile(t *testing.T) {
	mem, path, start, end := tornLog(t)
	before, err := vfs.ReadFile(mem, path)
	must(t, err)
	for size := start; size <= end; size += 7 {
		short := vfs.NewMem()
		must(t, short.MkdirAll("/member/wal", 0o700))
		f, err := vfs.Create(short, path, 0o600)
		must(t, err)
		_, err = f.Write(before[:size])
		must(t, err, f.Close())
		w, c, err := Open("/member/wal", Mark{}, Options{FS: short, SegmentBytes: 20_000})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if want := 5; len(c.Entries) != want && size < end-7 {
			t.Fatalf("%d bytes: %d entries", size, len(c.Entries))
		}
		must(t, w.Close())
	}
}

// TestLargeRecord: a record may end far behind the preallocated size. (etcd#14098)
func TestLargeRecord(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	w := create(t, mem, Options{SegmentBytes: 4096})
	big := strings.Repeat("x", 3<<20)
	must(t, w.Append(nil, entries(1, 20, 1)), w.Append(state(1, 1, 21), []*raftpb.Entry{entry(21, 1, big)}))
	// The process dies before it can cut the segment.
	c := read(t, mem, Mark{})
	g.Expect(c.Entries).To(HaveLen(21))
	g.Expect(string(c.Entries[20].GetData()) == big).To(BeTrue())
	must(t, w.Sync(), w.Append(nil, entries(22, 22, 1)), w.Close())
	g.Expect(listSegments("/member/wal", mem)).To(HaveLen(2))
	g.Expect(read(t, mem, Mark{}).Entries).To(HaveLen(22))
}
