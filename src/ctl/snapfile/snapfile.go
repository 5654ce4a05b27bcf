// Package snapfile writes a snapshot to a file, whole or not at all.
package snapfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"quoin.dev/pkg/vfs"
)

// maxParts is how many names are tried for the file that is not whole yet.
const maxParts = 100

// Save writes what r has to path, which is replaced if it exists. Until everything is there, on the disk, path is as it
// was, and what has come is in a file beside it that ends with .part. That is removed when r or the disk fails.
func Save(fsys vfs.FS, path string, r io.Reader) error {
	part, err := claim(fsys, path)
	if err != nil {
		return fmt.Errorf("could not open %s.part (%w)", path, err)
	}
	return vfs.WriteFile(fsys, path, part, 0o600, func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	})
}

// claim makes an empty file with a name of its own, so that two who save under the same path do not write to one file. A
// process that was killed leaves its part behind; it is not taken over, since it may be of one that runs.
func claim(fsys vfs.FS, path string) (part string, err error) {
	part = path + ".part"
	for i := 2; ; i++ {
		f, err := fsys.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return part, f.Close()
		}
		if !errors.Is(err, fs.ErrExist) || i > maxParts {
			return "", err
		}
		part = path + "." + strconv.Itoa(i) + ".part"
	}
}
