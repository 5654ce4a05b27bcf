// Package verify builds a release again and compares every byte.
package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"quoin.dev/quoin/tools/release/compare"
	"quoin.dev/quoin/tools/release/provenance"
	"quoin.dev/quoin/tools/release/source"
	"quoin.dev/quoin/tools/release/sums"
)

// Options of one verification.
type Options struct {
	Repository string // a clone that holds the commit of the release
	// Source, if set, is a tree to build from as it is, instead of a checkout of the commit.
	Source   string
	Key      string // file of the public key that SHA256SUMS must be signed with; "" does not ask for a signature
	Jobs     int
	Progress func(line string)
}

// Release checks the sums of the release in dir, builds it again and compares. The error names the first difference.
func Release(ctx context.Context, dir string, o Options) error {
	if err := sums.Check(dir); err != nil {
		return err
	}
	o.Progress("every file is what " + sums.File + " says")
	if o.Key != "" {
		if err := sums.Verify(dir, o.Key); err != nil {
			return err
		}
		o.Progress(sums.File + " is signed by the key in " + o.Key)
	}
	p, err := provenance.Read(dir)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "quoin-verify-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	tree := o.Source
	if tree == "" {
		if strings.HasSuffix(p.Commit, source.Dirty) {
			return fmt.Errorf("the release was built from a tree with changes on top of %s: only --source can name that tree", p.Commit)
		}
		tree = filepath.Join(tmp, "source")
		o.Progress("building " + p.Version + " from a checkout of " + p.Commit)
		if err := source.Checkout(ctx, o.Repository, p.Commit, tree); err != nil {
			return err
		}
	}
	rebuilt := filepath.Join(tmp, "rebuilt")
	if err := build(ctx, tree, rebuilt, p, o); err != nil {
		return err
	}
	return Compare(dir, rebuilt, o.Progress)
}

// build runs the release tool of the tree itself: how things are packed belongs to the source, too.
func build(ctx context.Context, tree, out string, p *provenance.Parameters, o Options) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./tools/release", "build",
		"--platforms", strings.Join(p.Platforms, ","), "--version", p.Version, "--commit", p.Commit,
		"--builder", p.Builder, "--jobs", strconv.Itoa(o.Jobs), "--out", out)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(p.Unix, 10))
	cmd.Stdout = lines{o.Progress}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the release can not be built again: %w\n%s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}

// Compare compares two directories of a release; the error names the first difference.
func Compare(release, rebuilt string, progress func(string)) error {
	names, err := sums.Files(release)
	if err != nil {
		return err
	}
	again, err := sums.Files(rebuilt)
	if err != nil {
		return err
	}
	for _, name := range again {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s is only in the rebuild", name)
		}
	}
	// The sums come last: they differ whenever something else does.
	for _, name := range append(names, sums.File) {
		if name != sums.File && !slices.Contains(again, name) {
			return fmt.Errorf("%s is only in the release", name)
		}
		difference, err := compare.Files(filepath.Join(release, name), filepath.Join(rebuilt, name))
		if err != nil {
			return err
		}
		if difference != "" {
			return fmt.Errorf("first difference: %s > %s", name, difference)
		}
	}
	progress(fmt.Sprintf("all %d files are equal, byte by byte", len(names)+1))
	return nil
}

// lines hands on what is written to it, line by line; the writer writes whole lines.
type lines struct{ take func(string) }

func (l lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l.take(strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}
