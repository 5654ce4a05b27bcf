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
	"testing"

	"quoin.dev/utl/command"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// unzip returns what is in a file of testdata.
func unzip(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	data, err := io.ReadAll(z)
	must(t, err)
	return data
}

// untar extracts an archive of testdata into dir.
func untar(t testing.TB, name, dir string) {
	t.Helper()
	for files := tar.NewReader(bytes.NewReader(unzip(t, name))); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		if header.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(dir, filepath.Clean("/"+header.Name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		data, err := io.ReadAll(files)
		must(t, err)
		must(t, os.WriteFile(path, bytes.TrimRight(data, "\x00"), 0o600))
		must(t, os.Truncate(path, int64(len(data)))) // a log is nearly empty: the rest is a hole
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
