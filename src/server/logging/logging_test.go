package logging

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestLineFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := New(Options{Level: "info", Format: "json", Outputs: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("ready to serve client requests", zap.Duration("took", time.Second), zap.Strings("urls", []string{"a"}))
	log.Debug("not shown")
	log.Level.SetLevel(zap.DebugLevel)
	log.Debug("shown")
	log.Close()

	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	if len(lines) != 2 {
		t.Fatalf("want 2 lines, got %q", lines)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"level": "info", "msg": "ready to serve client requests", "took": "1s"} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if _, err := time.Parse(TimeLayout, line["ts"].(string)); err != nil {
		t.Error(err)
	}
	if !regexp.MustCompile(`^logging/logging_test\.go:\d+$`).MatchString(line["caller"].(string)) {
		t.Errorf("caller is %v", line["caller"])
	}
	if !strings.HasPrefix(lines[0], `{"level":"info","ts":"`) {
		t.Errorf("the order of the first fields differs: %s", lines[0])
	}
}

func TestConsoleFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := New(Options{Format: "console", Outputs: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	log.Warn("hello")
	log.Close()
	raw, _ := os.ReadFile(path)
	if !regexp.MustCompile(`\twarn\tlogging/logging_test\.go:\d+\thello\n`).Match(raw) {
		t.Errorf("got %q", raw)
	}
}

func TestBadOptions(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"level", Options{Level: "bad"}, `unrecognized level: "bad"`},
		{"format", Options{Format: "xml"}, "unknown log format: xml, supported values json, console"},
		{"logger", Options{Logger: "foo"}, `unknown logger option "foo"`},
		{"capnslog", Options{Logger: "capnslog"}, "--logger=capnslog is removed in v3.5"},
		{"default with others", Options{Outputs: []string{"default", "stderr"}}, `multi logoutput for "default" is not supported yet`},
		{"file", Options{Outputs: []string{"/nonexistent/foo"}}, `open sink "/nonexistent/foo": open /nonexistent/foo: no such file or directory`},
		{"journal with others", Options{Outputs: []string{"systemd/journal", "stderr"}}, `(["stderr" "systemd/journal"]) are configured`},
		{"rotation of nothing", Options{EnableRotation: true}, "--log-outputs requires a single file path when --log-rotate-config-json is defined"},
		{"rotation of two", Options{EnableRotation: true, Outputs: []string{"a", "b"}}, "--log-outputs requires a single file path"},
		{"rotation syntax", Options{EnableRotation: true, Outputs: []string{"a"}, RotationJSON: "{bad"},
			"improperly formatted log rotation config: invalid character 'b' looking for beginning of object key string"},
		{"rotation type", Options{EnableRotation: true, Outputs: []string{"a"}, RotationJSON: `{"maxsize": "x"}`}, "invalid log rotation config: json: cannot unmarshal string"},
		{"rotation key", Options{EnableRotation: true, Outputs: []string{"a"}, RotationJSON: `{"foo": 1}`}, `invalid log rotation config: json: unknown field "foo"`},
		{"rotation sign", Options{EnableRotation: true, Outputs: []string{"a"}, RotationJSON: `{"maxage": -1}`}, "must not be negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

// gate is an output whose reader has stopped: Write blocks until it is opened.
type gate struct {
	open chan struct{}
	got  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.got.Write(p)
}

// etcd#22214: a blocked log output must not stall the caller.
func TestBlockedOutputDropsInsteadOfBlocking(t *testing.T) {
	encoder, err := newEncoder("json")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{open: make(chan struct{})}
	a := newAsyncWriter(stream{Writer: g}, encoder)
	line := bytes.Repeat([]byte("x"), 1024)
	line[len(line)-1] = '\n'
	const written = maxPendingBytes/1024 + 100
	for range written {
		a.Write(line)
	}
	if got := a.dropped.Load(); got < 100 || got > 101 {
		t.Errorf("dropped %d lines, want the 100 that are over the bound", got)
	}
	close(g.open)
	a.close(30 * time.Second)
	a.Write(line) // after close: dropped, no panic
	if want := `"dropped-lines":`; !strings.Contains(g.got.String(), want) {
		t.Errorf("no line about the dropped lines")
	}
	if got := strings.Count(g.got.String(), "\n"); got < written-101 || got > written {
		t.Errorf("%d lines arrived", got)
	}
}

func TestCloseDoesNotWaitForABlockedOutput(t *testing.T) {
	encoder, _ := newEncoder("json")
	a := newAsyncWriter(stream{Writer: &gate{open: make(chan struct{})}}, encoder)
	a.Write([]byte("x\n"))
	start := time.Now()
	a.close(10 * time.Millisecond)
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("close took %v", took)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFailingOutputIsCounted(t *testing.T) {
	encoder, _ := newEncoder("json")
	a := newAsyncWriter(stream{Writer: failing{}}, encoder)
	a.Write([]byte("x\n"))
	a.Sync()
	a.close(30 * time.Second)
	if got := a.dropped.Load(); got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
}
