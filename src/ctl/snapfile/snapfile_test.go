package snapfile_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"quoin.dev/ctl/snapfile"
	"quoin.dev/pkg/vfs"
)

const path = "/backup/today.db"

func newDisk(t *testing.T) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	if err := vfs.MkdirAll(disk, "/backup", 0o700); err != nil {
		t.Fatal(err)
	}
	return disk
}

// holds reports what is in the folder, as name=content.
func holds(t *testing.T, fsys vfs.FS) string {
	t.Helper()
	entries, err := fsys.ReadDir("/backup")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		content, err := vfs.ReadFile(fsys, "/backup/"+e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Name()+"="+string(content))
	}
	return strings.Join(all, " ")
}

func TestSaveReplacesAndSurvivesAPowerCut(t *testing.T) {
	disk := newDisk(t)
	for _, content := range []string{"first", "second"} {
		if err := snapfile.Save(disk, path, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if got := holds(t, disk.PowerCut(nil)); got != "today.db="+content {
			t.Errorf("after a power cut there is %q", got)
		}
	}
}

func TestSaveLeavesNothingHalf(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		reader io.Reader
		rule   vfs.Rule
	}{
		"reader": {reader: io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))},
		"write":  {rule: vfs.Rule{Op: vfs.OpWrite, Err: broken, ShortBytes: 2}},
		"sync":   {rule: vfs.Rule{Op: vfs.OpSync, Err: broken}},
		"close":  {rule: vfs.Rule{Op: vfs.OpClose, Skip: 1, Err: broken}},
		"rename": {rule: vfs.Rule{Op: vfs.OpRename, Err: broken}},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk(t)
			if err := snapfile.Save(disk, path, strings.NewReader("before")); err != nil {
				t.Fatal(err)
			}
			fsys := vfs.NewFault(disk)
			reader := c.reader
			if reader == nil {
				fsys.Add(c.rule)
				reader = strings.NewReader("after")
			}
			if err := snapfile.Save(fsys, path, reader); !errors.Is(err, broken) {
				t.Errorf("got error %v", err)
			}
			if got := holds(t, disk); got != "today.db=before" {
				t.Errorf("there is %q", got)
			}
		})
	}
}

// A save that runs, or was killed, keeps its part.
func TestSaveBesideAnother(t *testing.T) {
	disk := newDisk(t)
	inner := func(outer io.Reader) io.Reader {
		return readerFunc(func(p []byte) (int, error) {
			n, err := outer.Read(p)
			if errors.Is(err, io.EOF) {
				if err := snapfile.Save(disk, path, strings.NewReader("inner")); err != nil {
					t.Error(err)
				}
				if got := holds(t, disk); got != "today.db=inner today.db.part=outer" {
					t.Errorf("there is %q", got)
				}
			}
			return n, err
		})
	}
	if err := snapfile.Save(disk, path, inner(strings.NewReader("outer"))); err != nil {
		t.Fatal(err)
	}
	if got := holds(t, disk); got != "today.db=outer" {
		t.Errorf("there is %q", got)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSaveWithoutAFolder(t *testing.T) {
	name := t.TempDir() + "/none/x.db"
	err := snapfile.Save(vfs.OS(), name, strings.NewReader(""))
	want := "could not open " + name + ".part (open " + name + ".part: "
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}
