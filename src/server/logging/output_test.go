package logging

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestSeveralOutputsTakeEveryLine(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	log, err := New(Options{Outputs: []string{a, b, a}})
	if err != nil {
		t.Fatal(err)
	}
	log.With(zap.String("member", "m")).Info("hello")
	log.Close()
	first, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) || strings.Count(string(first), "\n") != 1 || !strings.Contains(string(first), `"member":"m"`) {
		t.Errorf("got %q and %q", first, second)
	}
}

// A file beyond its size is put aside under the name that etcd would give it, and no line is lost or cut at the seam.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "quoin.log")
	o := Options{Outputs: []string{path}, EnableRotation: true, RotationJSON: `{"maxsize": 1, "maxbackups": 100}`}
	log, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	const lines = 3 << 10 // of a kilobyte each
	padding := strings.Repeat("x", 1000)
	for range lines {
		log.Info(padding)
		for log.async[0].pending.Load() > maxPendingBytes/2 {
			time.Sleep(time.Millisecond)
		}
	}
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	log.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 1<<20 {
			t.Errorf("%s has %d bytes", name, len(raw))
		}
		for line := range strings.Lines(string(raw)) {
			if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}\n") {
				t.Errorf("a line is cut: %.40q", line)
			}
			seen++
		}
		if base := filepath.Base(name); base != "quoin.log" && !strings.HasPrefix(base, "quoin-20") {
			t.Errorf("unexpected file %s", base)
		}
	}
	if len(files) < 3 || seen != lines || log.Dropped() != 0 {
		t.Errorf("%d files with %d lines, want %d lines; %d dropped", len(files), seen, lines, log.Dropped())
	}
}

func TestRotationIsCheckedWhenItIsAskedFor(t *testing.T) {
	if err := (Options{RotationJSON: "{bad"}).Check(); err != nil {
		t.Error(err)
	}
	if err := (Options{EnableRotation: true, Outputs: []string{"a", "stderr"}}).Check(); err != nil {
		t.Errorf("one file beside stderr: %v", err)
	}
}

func TestJournalGetsLevelsAndLines(t *testing.T) {
	encoder, err := newEncoder("json")
	if err != nil {
		t.Fatal(err)
	}
	var priorities []journal.Priority
	var messages []string
	a := newAsyncWriter(journalOutput{identifier: "etcd", send: func(message string, p journal.Priority, fields map[string]string) error {
		priorities, messages = append(priorities, p), append(messages, message)
		if fields["SYSLOG_IDENTIFIER"] != "etcd" {
			return errors.New("no identifier")
		}
		return nil
	}}, encoder)
	log := zap.New(&core{LevelEnabler: zapcore.DebugLevel, encoder: encoder, out: a})
	log.Debug("d")
	log.Info("i")
	log.Warn("w")
	log.Error("e")
	log.DPanic("c")
	a.close(10 * time.Second)
	want := []journal.Priority{journal.PriDebug, journal.PriInfo, journal.PriWarning, journal.PriErr, journal.PriCrit}
	if !slices.Equal(priorities, want) || a.dropped.Load() != 0 {
		t.Errorf("got priorities %v, want %v; %d dropped", priorities, want, a.dropped.Load())
	}
	for _, m := range messages {
		if !strings.HasPrefix(m, "{") || !strings.HasSuffix(m, "}") {
			t.Errorf("got %q", m)
		}
	}
}

func TestMissingJournalIsAnError(t *testing.T) {
	if _, err := os.Stat(journalSocket); err == nil {
		t.Skip("this machine has a journal")
	}
	_, err := New(Options{Outputs: []string{OutputJournal}})
	if err == nil || !strings.HasPrefix(err.Error(), "can't find journal (dial unixgram "+journalSocket) {
		t.Errorf("got %v", err)
	}
}
