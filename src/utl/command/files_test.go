package command_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"quoin.dev/utl/command"
)

// testdata is the folder of that name, wherever a test goes.
var testdata = func() string {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	return dir
}()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// unzip returns what is in a file of testdata.
func unzip(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata, name))
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	data, err := io.ReadAll(z)
	must(t, err)
	return data
}

// file is one of an archive, without the zeros at its end: a log is nearly empty.
type file struct {
	name string
	data []byte
	size int64
}

// archives are unpacked once, since each is of a hundred megabytes of zeros.
var archives = map[string]func() ([]file, error){
	"single37.tar.gz": sync.OnceValues(func() ([]file, error) { return unpack("single37.tar.gz") }),
	"single36.tar.gz": sync.OnceValues(func() ([]file, error) { return unpack("single36.tar.gz") }),
}

func unpack(name string) (out []file, err error) {
	f, err := os.Open(filepath.Join(testdata, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for files := tar.NewReader(z); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(files)
		if err != nil {
			return nil, err
		}
		if header.Typeflag == tar.TypeReg {
			out = append(out, file{filepath.Clean("/" + header.Name), bytes.Clone(bytes.TrimRight(data, "\x00")), int64(len(data))})
		}
	}
}

// untar extracts an archive of testdata into dir.
func untar(t testing.TB, name, dir string) {
	t.Helper()
	files, err := archives[name]()
	must(t, err)
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, f.data, 0o600))
		must(t, os.Truncate(path, f.size)) // the rest is a hole
	}
}

// golden is a folder with the files that the captured sessions ran on: a snapshot and the data directory of etcd 3.7.3,
// the same of etcd 3.6, and damaged ones.
func golden(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	s := unzip(t, "single37-snapshot.db.gz")
	corrupt := bytes.Clone(s)
	corrupt[9000] ^= 1 // the one that was flipped for the capture: its sum is in there
	for name, data := range map[string][]byte{
		"s.db": s, "st.db": s, "h.db": s, "corrupt.db": corrupt, "bad.db": []byte("this is not a database\n"),
		"s36.db": unzip(t, "single36-snapshot.db.gz"),
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	untar(t, "single37.tar.gz", dir)
	untar(t, "single36.tar.gz", filepath.Join(dir, "s36"))
	return dir
}

// outcome is what a run left.
type outcome struct {
	exit           int
	stdout, stderr string
}

// run runs a command line in the current folder, under the name etcdutl.
func run(args ...string) outcome { return runAs("etcdutl", args...) }

func runAs(name string, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := command.Run(context.Background(), command.Process{Name: name, Args: args, Stdout: &stdout, Stderr: &stderr})
	return outcome{code, stdout.String(), stderr.String()}
}
