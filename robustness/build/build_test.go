package build

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// program writes a main package in a module of its own.
func program(t *testing.T, source string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "main.go")
	for name, text := range map[string]string{filepath.Join(dir, "go.mod"): "module tiny\n\ngo 1.26.0\n", file: source} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, file
}

// useCache gives a test a cache of its own, without one for the go command, which would build the standard library for it.
func useCache(t *testing.T) {
	t.Helper()
	goCache, err := goCommand(t.Context(), t.TempDir(), "env", "GOCACHE")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", goCache)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
}

// forgetBuilds makes Static ask the go command again.
func forgetBuilds() {
	done.Lock()
	defer done.Unlock()
	done.paths = nil
}

func TestAProgramIsNamedByItsContent(t *testing.T) {
	useCache(t)
	dir, file := program(t, "package main\n\nfunc main() {}\n")
	s := Spec{Package: "tiny", Dir: dir, Env: []string{"GOWORK=off"}}
	build := func() string {
		t.Helper()
		forgetBuilds()
		path, err := Static(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if hash, err := Hash(path); err != nil || hash != filepath.Base(filepath.Dir(path)) {
			t.Errorf("the hash of %s is %s (error: %v)", path, hash, err)
		}
		return path
	}
	first := build()
	if again := build(); again != first {
		t.Errorf("the same source made %s and %s", first, again)
	}
	if err := os.WriteFile(file, []byte("package main\n\nfunc main() { println(1) }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	changed := build()
	if changed == first {
		t.Error("another source made the same binary")
	}
	s.Overlay = overlay(t, file, "package main\n\nfunc main() { println(2) }\n")
	replaced := build()
	if replaced == changed || replaced == first {
		t.Error("an overlay changed nothing")
	}
	for _, path := range []string{first, changed, replaced} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("a later build has taken away %v", err)
		}
	}
}

// overlay writes one that replaces a file.
func overlay(t *testing.T, file, content string) string {
	t.Helper()
	by, list := filepath.Join(t.TempDir(), "by.go"), filepath.Join(t.TempDir(), "overlay.json")
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{file: by}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{by: content, list: string(data)} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func TestTheKeyHasTheContentOfAnOverlay(t *testing.T) {
	key := func(o string) string {
		t.Helper()
		k, err := Spec{Package: "tiny", Overlay: o}.key()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	a, same, b := key(overlay(t, "/x.go", "a")), key(overlay(t, "/x.go", "a")), key(overlay(t, "/x.go", "b"))
	if a != same || a == b || a == key("") {
		t.Errorf("keys: %s and %s for the same, %s for another, %s for no overlay", a, same, b, key(""))
	}
	if _, err := (Spec{Overlay: "/no/such/file"}).key(); err == nil {
		t.Error("an overlay that is not there is no error")
	}
}

func TestWhatDoesNotBuildSaysWhy(t *testing.T) {
	useCache(t)
	dir, _ := program(t, "package main\n\nfunc main() { nonsense() }\n")
	forgetBuilds()
	if path, err := Static(t.Context(), Spec{Package: "tiny", Dir: dir, Env: []string{"GOWORK=off"}}); err == nil {
		t.Errorf("nonsense was built as %s", path)
	}
}

func TestProgramsThatNobodyAsksForAreForgotten(t *testing.T) {
	programs := t.TempDir()
	used, old := filepath.Join(programs, "used"), filepath.Join(programs, "old")
	past := time.Now().Add(-2 * keptFor)
	for _, dir := range []string{used, old} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, past, past); err != nil {
			t.Fatal(err)
		}
	}
	if err := forget(used); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(used); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("an old program was kept")
	}
}

func TestVersionsOfEtcd(t *testing.T) {
	for _, version := range []string{"", "3.7", "v3.7.3", "4.0.0", "3.7.3-rc.0", "latest"} {
		if path, err := Etcd(t.Context(), version); err == nil {
			t.Errorf("etcd %q was built as %s", version, path)
		}
	}
}
