package tlsfiles

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// slowFile is a followed file, the later readings of which take as long as the test wants.
type slowFile struct {
	*followed[string]
	name  string
	parse chan struct{}
}

func newSlowFile(t *testing.T) *slowFile {
	t.Helper()
	f := &slowFile{name: filepath.Join(t.TempDir(), "file"), parse: make(chan struct{}, 1)}
	f.write(t, "old")
	f.parse <- struct{}{}
	f.followed = follow([]string{f.name}, func(_ []string, contents [][]byte) (string, error) {
		<-f.parse
		return string(contents[0]), nil
	}, func(err error) { t.Error(err) })
	if err := f.first(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *slowFile) write(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(f.name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Connections that are made together after a change all go by it, not only the one that reads the files.
func TestThoseWhoComeTogetherSeeTheChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSlowFile(t)
		f.write(t, "new")
		values := make(chan string, 3)
		for range cap(values) {
			go func() { values <- f.get() }()
		}
		synctest.Wait() // one reads, the others wait for it
		close(f.parse)
		for range cap(values) {
			if value := <-values; value != "new" {
				t.Errorf("got %q", value)
			}
		}
	})
}

// A file system that hangs does not keep connections from being made.
func TestNobodyWaitsForAHangingFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSlowFile(t)
		f.write(t, "new")
		go f.get()
		synctest.Wait()
		before := time.Now()
		if value := f.get(); value != "old" {
			t.Errorf("got %q", value)
		}
		if waited := time.Since(before); waited != patience {
			t.Errorf("waited %v", waited)
		}
		close(f.parse)
	})
}
