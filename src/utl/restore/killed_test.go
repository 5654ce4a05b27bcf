package restore_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"quoin.dev/storage/wal"
	"quoin.dev/utl/restore"
	"quoin.dev/utl/storefile"
)

// victimDir is set in a process that restores and is killed meanwhile.
const victimDir = "RESTORE_TEST_VICTIM"

// TestKilled kills a restore at every line that it logs. A start must find a whole member then, or none; and the next
// restore says what is in its way.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(t, dir)
		return
	}
	o := options(t, golden(t))
	for lines := 1; lines <= 4; lines++ {
		o.DataDir = filepath.Join(t.TempDir(), "data")
		kill(t, o.Snapshot, o.DataDir, lines)
		if _, err := os.Stat(filepath.Join(o.DataDir, "member")); errors.Is(err, os.ErrNotExist) {
			again(t, o)
			continue
		}
		_, err := storefile.CheckFile(storefile.InDataDir(o.DataDir), storefile.Options{Logger: zap.NewNop()}, func(int64) {})
		must(t, err)
		marks, err := wal.Marks(filepath.Join(o.DataDir, "member", "wal"), wal.Options{})
		if must(t, err); len(marks) != 2 {
			t.Errorf("after %d lines the log has the marks %+v", lines, marks)
		}
	}
}

// kill runs this test as another process and kills it when it has logged so many lines.
func kill(t *testing.T, snapshot, dir string, lines int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimDir+"_FROM="+snapshot)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	s := bufio.NewScanner(out)
	for range lines {
		if !s.Scan() {
			t.Fatalf("it ended before it had logged %d lines", lines)
		}
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
}

// again restores over what was left: only after that was removed.
func again(t *testing.T, o restore.Options) {
	t.Helper()
	left := filepath.Join(o.DataDir, "member.restoring")
	if _, err := os.Stat(left); err == nil {
		if err := restore.Run(t.Context(), o); err == nil {
			t.Error("what a killed restore has left was taken for nothing")
		}
		must(t, os.RemoveAll(left))
	}
	must(t, restore.Run(t.Context(), o))
}

// victim says every line at once.
func victim(t *testing.T, dir string) {
	o := options(t, nil)
	o.Snapshot, o.DataDir = os.Getenv(victimDir+"_FROM"), dir
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "msg", LineEnding: "\n"})
	o.Logger = zap.New(zapcore.NewCore(encoder, zapcore.Lock(os.Stdout), zap.InfoLevel))
	must(t, restore.Run(t.Context(), o))
}
