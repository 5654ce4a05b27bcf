package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func record(method string) *Record {
	return &Record{Time: time.Unix(1700000000, 123456789), Method: method, Outcome: Allowed}
}

func decode(t *testing.T, text []byte) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(string(text)) {
		var v map[string]any
		NewWithT(t).Expect(json.Unmarshal([]byte(line), &v)).To(Succeed(), line)
		all = append(all, v)
	}
	return all
}

func TestFileIsContinued(t *testing.T) {
	w := NewWithT(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 2 {
		l, err := Open(Options{Path: path, Level: LevelAll}, zap.NewNop())
		w.Expect(err).NotTo(HaveOccurred())
		l.Write(record("/a/B"))
		l.Close()
		l.Close()
		w.Expect(l.Lines()).To(BeEquivalentTo(1))
		l.Write(record("/too/Late"))
		w.Expect(l.Lost()).To(BeEquivalentTo(1))
	}
	text, err := os.ReadFile(path)
	w.Expect(err).NotTo(HaveOccurred())
	one := `{"time":"2023-11-14T22:13:20.123456Z","method":"/a/B","outcome":"allowed"}` + "\n"
	w.Expect(string(text)).To(Equal(one + one))
	info, err := os.Stat(path)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600))
}

func TestOptionsAreRefused(t *testing.T) {
	w := NewWithT(t)
	for why, o := range map[string]Options{
		`--audit-log-level must be "denied", "writes" or "all" (set to "some")`: {Path: "x", Level: "some"},
		"--audit-log-rotation-config-json: improperly formatted":                {Path: "x", Level: LevelAll, RotationJSON: "{"},
		"no such file or directory":                                             {Path: "/nowhere/x", Level: LevelAll},
	} {
		_, err := Open(o, zap.NewNop())
		w.Expect(err).To(MatchError(ContainSubstring(why)))
	}
}

func TestLevels(t *testing.T) {
	w := NewWithT(t)
	var none *Log
	w.Expect(none.Wants(Denied, true)).To(BeFalse())
	none.Close()
	for level, wants := range map[Level][4]bool{ // a read, a change, a failed change, a denied read
		LevelDenied: {false, false, false, true},
		LevelWrites: {false, true, true, true},
		LevelAll:    {true, true, true, true},
	} {
		l := &Log{level: level}
		w.Expect([4]bool{l.Wants(Allowed, false), l.Wants(Allowed, true), l.Wants(Failed, true), l.Wants(Denied, false)}).To(Equal(wants), string(level))
	}
}

// gate is a disk that answers when it is let, or fails.
type gate struct {
	open chan struct{}
	fail error
	got  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	if g.fail != nil {
		return 0, g.fail
	}
	return g.got.Write(p)
}

// TestStalledDisk holds up the disk: a request waits for a bounded time, those after it not at all, and what is missing is told.
func TestStalledDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := &gate{open: make(chan struct{})}
		core, warnings := observer.New(zap.WarnLevel)
		l := newLog(LevelAll, g, nil, zap.New(core))
		l.Write(record("first"))
		synctest.Wait() // the disk has it
		for range maxPending {
			l.Write(record("waiting"))
		}
		begin := time.Now()
		l.Write(record("lost"))
		w.Expect(time.Since(begin)).To(Equal(maxWait))
		for range 9 {
			l.Write(record("lost"))
		}
		w.Expect(time.Since(begin)).To(Equal(maxWait), "nobody else waits")
		w.Expect(l.Lost()).To(BeEquivalentTo(10))

		close(g.open)
		synctest.Wait()
		l.Write(record("last"))
		synctest.Wait()
		w.Expect(l.Lost()).To(BeEquivalentTo(10))
		w.Expect(l.Lines()).To(BeEquivalentTo(maxPending + 2))
		lines := decode(t, g.got.Bytes())
		w.Expect(lines).To(HaveLen(maxPending + 3))
		w.Expect(lines).To(ContainElement(HaveKeyWithValue("lost", 10.0)))
		w.Expect(warnings.FilterField(zap.Uint64("lines", 10)).Len()).To(Equal(1))
		l.Close()
	})
}

func TestFailingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := &gate{open: make(chan struct{}), fail: errors.New("no space left on device")}
		close(g.open)
		core, warnings := observer.New(zap.WarnLevel)
		l := newLog(LevelAll, g, nil, zap.New(core))
		for range 3 {
			l.Write(record("lost"))
			synctest.Wait()
		}
		w.Expect(l.Lost()).To(BeEquivalentTo(3))
		w.Expect(warnings.TakeAll()).To(ConsistOf(HaveField("Message", "the audit log can not be written")))
		g.fail = nil
		l.Write(record("good"))
		l.Close()
		lines := decode(t, g.got.Bytes())
		w.Expect(lines).To(HaveLen(2))
		w.Expect(lines[1]).To(HaveKeyWithValue("lost", 3.0))
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		l := newLog(LevelAll, g, nil, zap.NewNop())
		l.Write(record("x"))
		begin := time.Now()
		l.Close()
		NewWithT(t).Expect(time.Since(begin)).To(Equal(flushTimeout))
		close(g.open)
	})
}
