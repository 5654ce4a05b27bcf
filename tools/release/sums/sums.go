// Package sums writes and checks SHA256SUMS, the list that a download is checked against, and its signature.
package sums

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// File is the list, in the format of sha256sum.
	File = "SHA256SUMS"
	// Signature is beside it when a key was given.
	Signature = File + ".sig"
)

// Write lists every file of dir.
func Write(dir string) error {
	names, err := Files(dir)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, name := range names {
		sum, err := Of(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(dir, File), b.Bytes(), 0o644)
}

// Files are the names in dir that the list covers, sorted.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != File && e.Name() != Signature {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Of returns the SHA-256 of a file in hexadecimal digits.
func Of(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Read returns the sums of a list, by name.
func Read(dir string) (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		return nil, err
	}
	list := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		sum, name, ok := strings.Cut(s.Text(), "  ")
		if !ok || len(sum) != 2*sha256.Size || name != filepath.Base(name) {
			return nil, fmt.Errorf("%s: %q is not a line of sha256sum", File, s.Text())
		}
		list[name] = sum
	}
	return list, nil
}

// Check compares every file of dir with the list, and the list with the files.
func Check(dir string) error {
	list, err := Read(dir)
	if err != nil {
		return err
	}
	names, err := Files(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		want, ok := list[name]
		if !ok {
			return fmt.Errorf("%s is not listed in %s", name, File)
		}
		got, err := Of(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s was changed after the release: SHA-256 is %s, %s says %s", name, got, File, want)
		}
	}
	for name := range list {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s is listed in %s and is not there", name, File)
		}
	}
	return nil
}
