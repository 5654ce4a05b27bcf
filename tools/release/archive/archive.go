// Package archive writes tar and zip files whose bytes depend on nothing but their entries: sorted names, one time, fixed
// owners and modes.
package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Entry is one file, link or directory. A name that ends with a slash is a directory.
type Entry struct {
	Name string
	Mode fs.FileMode // permission bits, and sticky
	Data []byte
	File string // read instead of Data
	Link string // a symbolic link to this
	UID  int    // owner and group, in tar only
}

func (e *Entry) content() ([]byte, error) {
	if e.File != "" {
		return os.ReadFile(e.File)
	}
	return e.Data, nil
}

// sorted returns the entries by name, so that a directory precedes what it holds.
func sorted(entries []Entry) []Entry {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries
}

// Tar writes the entries.
func Tar(w io.Writer, t time.Time, entries []Entry) error {
	tw := tar.NewWriter(w)
	for _, e := range sorted(entries) {
		data, err := e.content()
		if err != nil {
			return err
		}
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: e.Name, Mode: int64(e.Mode.Perm()), Size: int64(len(data)),
			ModTime: t, Uid: e.UID, Gid: e.UID, Format: tar.FormatUSTAR,
		}
		switch {
		case e.Link != "":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.Link, 0o777
		case strings.HasSuffix(e.Name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if e.Mode&fs.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		if _, err := tw.Write(data); err != nil {
			return err
		}
	}
	return tw.Close()
}

// TarGz writes the entries, compressed. The gzip header holds neither name nor time.
func TarGz(w io.Writer, t time.Time, entries []Entry) error {
	zw, err := gzip.NewWriterLevel(w, gzip.DefaultCompression)
	if err != nil {
		return err
	}
	if err := Tar(zw, t, entries); err != nil {
		return err
	}
	return zw.Close()
}

// Zip writes the entries. Links are followed, since Windows has none that every user can make: the target becomes a second
// copy.
func Zip(w io.Writer, t time.Time, entries []Entry) error {
	zw := zip.NewWriter(w)
	zw.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.DefaultCompression)
	})
	for _, e := range sorted(entries) {
		if e.Link != "" {
			target := path.Join(path.Dir(e.Name), e.Link)
			i := slices.IndexFunc(entries, func(o Entry) bool { return o.Name == target })
			if i < 0 {
				return fmt.Errorf("%s: link to %s, which is not in the archive", e.Name, target)
			}
			name := e.Name
			e = entries[i]
			e.Name = name
		}
		data, err := e.content()
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: e.Name, Method: zip.Deflate, Modified: t.UTC()}
		h.SetMode(e.Mode.Perm())
		if strings.HasSuffix(e.Name, "/") {
			h.SetMode(fs.ModeDir | e.Mode.Perm())
			h.Method = zip.Store
		}
		f, err := zw.CreateHeader(h)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
	}
	return zw.Close()
}

// Create writes an archive file; its name says which kind it is.
func Create(name string, t time.Time, entries []Entry) error {
	write := Tar
	switch {
	case strings.HasSuffix(name, ".tar.gz"):
		write = TarGz
	case strings.HasSuffix(name, ".zip"):
		write = Zip
	}
	var b bytes.Buffer
	if err := write(&b, t, entries); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}
