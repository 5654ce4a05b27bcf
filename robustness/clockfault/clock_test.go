package clockfault

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watch prints the wall clock, and how long it has been running, whenever it reads a byte.
const watch = `package main

import (
	"syscall"
	"time"
)

func main() {
	start := time.Now()
	for b := make([]byte, 1); ; {
		if n, _ := syscall.Read(0, b); n == 0 {
			return
		}
		now := time.Now()
		println(now.UnixNano(), now.Sub(start).Nanoseconds())
	}
}
`

var builtIn string // directory of the program, if it was built

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "quoin-clock-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	main, other, binary := filepath.Join(dir, "watch.go"), filepath.Join(dir, "other.go"), filepath.Join(dir, "watch")
	overlay, err := Overlay(dir, map[string]string{filepath.Join(dir, "missing.go"): other})
	if err != nil {
		return "", err
	}
	for path, text := range map[string]string{main: watch, other: "package main\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", binary, main)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
})

func build(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

// run starts the program and returns a function that asks it for the time.
func run(t *testing.T, cmd *exec.Cmd) (ask func() (wall time.Time, ran time.Duration)) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	return func() (time.Time, time.Duration) {
		t.Helper()
		if _, err := in.Write([]byte{'\n'}); err != nil || !lines.Scan() {
			t.Fatalf("the program does not answer: %v", err)
		}
		var wall, ran int64
		if _, err := fmt.Sscan(lines.Text(), &wall, &ran); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		return time.Unix(0, wall), time.Duration(ran)
	}
}

func TestClockJumpsAndSpansDoNot(t *testing.T) {
	program := build(t)
	for name, prepare := range map[string]func(t *testing.T, c *exec.Cmd, clock string){
		"as it is": func(*testing.T, *exec.Cmd, string) {},
		"in a root directory of its own": func(t *testing.T, c *exec.Cmd, clock string) {
			if os.Getuid() != 0 {
				t.Skip("needs root")
			}
			root := filepath.Dir(clock)
			data, err := os.ReadFile(program)
			if err == nil {
				err = os.WriteFile(filepath.Join(root, "watch"), data, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Path, c.Args = "/watch", []string{"/watch"}
			c.Env = []string{Variable + "=/clock"}
			c.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "clock")
			clock, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer clock.Close()
			cmd := exec.Command(program)
			cmd.Env = append(os.Environ(), clock.Env())
			prepare(t, cmd, path)
			ask := run(t, cmd)
			begun := time.Now()
			for _, jump := range []time.Duration{0, time.Hour, -3 * time.Hour, 1500 * time.Millisecond, -1100 * time.Millisecond} {
				clock.Jump(jump)
				from := time.Now()
				wall, ran := ask()
				if wall.Before(from.Add(clock.Offset()).Round(0)) || wall.After(time.Now().Add(clock.Offset()).Round(0)) {
					t.Errorf("after a jump by %s its clock should be off by %s, and is by %s", jump, clock.Offset(), wall.Sub(from))
				}
				if ran < 0 || ran > time.Since(begun)+time.Minute {
					t.Errorf("after a jump by %s it says that it has been running for %s", jump, ran)
				}
			}
		})
	}
}

func TestClockIsTheUsualOneWithoutTheVariable(t *testing.T) {
	ask := run(t, exec.Command(build(t)))
	from := time.Now()
	if wall, _ := ask(); wall.Before(from.Round(0)) || wall.After(time.Now().Round(0)) {
		t.Errorf("its clock is off by %s", wall.Sub(from))
	}
}

func TestProgramEndsWithoutItsClock(t *testing.T) {
	cmd := exec.Command(build(t))
	cmd.Env = append(os.Environ(), Variable+"=/does/not/exist")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the lab's clock /does/not/exist can not be opened") {
		t.Errorf("it said %q, %v", out, err)
	}
}

func TestOffsetOutlivesTheLab(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	for want := range 3 {
		c, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Offset(); got != time.Duration(want)*time.Hour {
			t.Errorf("the offset is %s after %d jumps by an hour", got, want)
		}
		c.Jump(time.Hour)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOverlayKeepsOtherReplacements(t *testing.T) {
	file, err := Overlay(t.TempDir(), map[string]string{"/a.go": "/b.go"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Replace map[string]string }
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Replace) != 3 || list.Replace["/a.go"] != "/b.go" {
		t.Errorf("the overlay replaces %v", list.Replace)
	}
}

func TestEditRefusesAnotherNow(t *testing.T) {
	for _, source := range []string{
		"package time\n",
		"func Now() Time {\n\tsec, nsec := now()\n",
		"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n}\nfunc Later() {\n\tsec, nsec, mono := runtimeNow()\n",
	} {
		if _, err := edit([]byte(source)); err == nil || !strings.Contains(err.Error(), "change the edit") {
			t.Errorf("%q: %v", source, err)
		}
	}
}
