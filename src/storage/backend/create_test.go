package backend

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// files are the names in a directory.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// etcd#16596: a database has its name when it is whole, and not before.
func TestNewFileGetsItsNameWhenItIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	var synced bool
	opened := 0
	o := Options{
		Path: path,
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			opened++
			if _, err := os.Stat(path); (err == nil) != synced {
				t.Errorf("file %d to be opened is %s; the name is there and not synced, or the other way round: %v", opened, name, err)
			}
			return os.OpenFile(name, flag, perm)
		},
		SyncDir: func(name string) error {
			synced = true
			return syncDir(name)
		},
	}
	b := open(t, o)
	if !synced || opened != 2 {
		t.Errorf("%d files were opened, and the name was synced: %v", opened, synced)
	}
	check(t, b.Close())
	if names := files(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("there are %q", names)
	}
}

func TestFileThatCouldNotBeMadeIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	_, err := Open(Options{Path: path, OpenFile: func(name string, _ int, perm os.FileMode) (*os.File, error) {
		return os.OpenFile(name, os.O_RDONLY|os.O_CREATE, perm) // so that bbolt can not write
	}})
	if err == nil {
		t.Fatal("it was made without a write")
	}
	if names := files(t, filepath.Dir(path)); len(names) != 0 {
		t.Errorf("there are %q after %v", names, err)
	}
}

func TestFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			b, err := Open(Options{Path: path, LockWait: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			index, _ := b.Applied()
			b.Commit(Applied{Index: index + 1, Term: 1})
			if err := errors.Join(b.Flush(), b.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	b := open(t, Options{Path: path})
	if index, _ := b.Applied(); index != 8 {
		t.Errorf("8 openers counted to %d in one file", index)
	}
	if names := files(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("there are %q", names)
	}
}
