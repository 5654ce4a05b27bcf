// Package tags releases all modules together: one signed tag for each, at one commit, pushed at once or not at all.
package tags

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"quoin.dev/quoin/tools/internal/workspace"
	"quoin.dev/quoin/tools/release/source"
)

// Options of a push.
type Options struct {
	Remote string
	// Key is what `git tag --local-user` takes; "" leaves the choice to git's own settings.
	Key string
	// Push makes and pushes the tags; without it they are only named.
	Push bool
	Out  io.Writer
}

// Push tags HEAD for every module of the workspace with the version that they require of each other.
func Push(ctx context.Context, w *workspace.Workspace, o Options) error {
	version, err := w.Version()
	if err != nil {
		return err
	}
	if err := w.Check(); err != nil {
		return err
	}
	commit, err := source.Read(w.Root)
	if err != nil {
		return err
	}
	if commit.Dirty {
		return source.ErrDirty
	}
	var names []string
	for _, m := range w.Released() {
		names = append(names, m.TagPrefix()+version)
	}
	g := git{ctx, w.Root}
	if err := g.unused(o.Remote, names); err != nil {
		return err
	}
	for i, m := range w.Released() {
		fmt.Fprintf(o.Out, "%-28s %s at %s\n", names[i], m.Path, commit.Hash)
	}
	if !o.Push {
		fmt.Fprintf(o.Out, "dry run: %d tags would be signed and pushed to %s; add --dry-run=false\n", len(names), o.Remote)
		return nil
	}
	if err := g.tagAll(w.Released(), names, version, commit.Hash, o.Key); err != nil {
		return err
	}
	refs := []string{"push", "--atomic", o.Remote}
	for _, name := range names {
		refs = append(refs, "refs/tags/"+name)
	}
	if _, err := g.run(refs...); err != nil {
		return errors.Join(err, g.remove(names))
	}
	fmt.Fprintf(o.Out, "%d tags pushed to %s\n", len(names), o.Remote)
	return nil
}

type git struct {
	ctx context.Context
	dir string
}

func (g git) run(args ...string) (string, error) {
	cmd := exec.CommandContext(g.ctx, "git", args...)
	cmd.Dir = g.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

// unused fails when a tag exists here or there: the proxies of Go modules have seen it then, and it must never move.
func (g git) unused(remote string, names []string) error {
	local, err := g.run("tag", "--list")
	if err != nil {
		return err
	}
	there, err := g.run("ls-remote", "--tags", "--refs", remote)
	if err != nil {
		return err
	}
	taken := map[string]string{}
	for _, field := range strings.Fields(there) {
		if name, ok := strings.CutPrefix(field, "refs/tags/"); ok {
			taken[name] = "at " + remote
		}
	}
	for _, name := range strings.Fields(local) {
		taken[name] = "here"
	}
	for _, name := range names {
		if where, ok := taken[name]; ok {
			return fmt.Errorf("the tag %s exists already %s, and a released version never moves: choose the next one with `modules update-versions`", name, where)
		}
	}
	return nil
}

// tagAll makes all tags, or none.
func (g git) tagAll(modules []*workspace.Module, names []string, version, commit, key string) error {
	for i, name := range names {
		args := []string{"tag", "--sign", "--message", modules[i].Path + " " + version}
		if key != "" {
			args = append(args, "--local-user", key)
		}
		said, err := g.run(append(args, name, commit)...)
		if err != nil {
			return errors.Join(fmt.Errorf("the tag %s could not be signed: %w", name, err), g.remove(names[:i]))
		}
		// git 2.39 leaves a tag without a signature, and succeeds, when it can not read the SSH key.
		tag, err := g.run("cat-file", "tag", name)
		if err == nil && !strings.Contains(tag, "\n-----BEGIN ") {
			err = fmt.Errorf("the tag %s could not be signed: %s", name, strings.TrimSpace(said))
		}
		if err != nil {
			return errors.Join(err, g.remove(names[:i+1]))
		}
	}
	return nil
}

func (g git) remove(names []string) error {
	if len(names) == 0 {
		return nil
	}
	_, err := g.run(append([]string{"tag", "--delete"}, names...)...)
	return err
}
