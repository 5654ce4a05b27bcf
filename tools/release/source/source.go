// Package source knows which commit a tree is, and brings a commit into a directory of its own.
package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Dirty ends the name of a commit whose tree was changed.
const Dirty = "-dirty"

// ErrDirty says that the tree is not what its commit says.
var ErrDirty = errors.New("the tree has changes that are not committed, so nobody could build the same: commit them, or use --allow-dirty for a trial")

// Commit is the state of a tree.
type Commit struct {
	Hash  string
	Time  time.Time
	Dirty bool
}

// Name is what is stamped into the programs.
func (c Commit) Name() string {
	if c.Dirty {
		return c.Hash + Dirty
	}
	return c.Hash
}

// Read asks git about the tree at root. SOURCE_DATE_EPOCH, when set, is taken instead of the time of the commit.
func Read(root string) (Commit, error) {
	out, err := git(context.Background(), root, "show", "--no-patch", "--no-show-signature", "--format=%H %ct", "HEAD")
	if err != nil {
		return Commit{}, err
	}
	hash, seconds, _ := strings.Cut(strings.TrimSpace(out), " ")
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds = epoch
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return Commit{}, fmt.Errorf("time of the commit: %w", err)
	}
	status, err := git(context.Background(), root, "status", "--porcelain")
	if err != nil {
		return Commit{}, err
	}
	return Commit{Hash: hash, Time: time.Unix(unix, 0).UTC(), Dirty: status != ""}, nil
}

// Checkout puts a commit of the repository at root into a new directory dir, without anything that is not committed.
func Checkout(ctx context.Context, root, commit, dir string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if _, err := git(ctx, root, "cat-file", "-e", commit+"^{commit}"); err != nil {
		return fmt.Errorf("commit %s is not in this clone, fetch it first: %w", commit, err)
	}
	if _, err := git(ctx, root, "clone", "--quiet", "--shared", "--no-checkout", root, dir); err != nil {
		return err
	}
	_, err = git(ctx, dir, "-c", "advice.detachedHead=false", "checkout", "--quiet", commit)
	return err
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
