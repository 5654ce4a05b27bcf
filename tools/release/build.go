package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	"quoin.dev/quoin/tools/internal/workspace"
	"quoin.dev/quoin/tools/release/assemble"
	"quoin.dev/quoin/tools/release/source"
	"quoin.dev/quoin/tools/release/spec"
)

// inputs are the flags that say what is built.
type inputs struct {
	platforms, version, commit, builder string
	allowDirty                          bool
}

const (
	platformsUsage  = `platforms as GOOS/GOARCH with commas between, or "all"`
	allowDirtyUsage = "build from a tree with changes, for a trial; the commit is stamped with -dirty"
)

func (in *inputs) flags(cmd *cobra.Command, platforms string) {
	f := cmd.Flags()
	f.StringVar(&in.platforms, "platforms", platforms, platformsUsage)
	f.StringVar(&in.version, "version", "", "version to stamp, without a leading v (default: the one that the modules require of each other)")
	f.StringVar(&in.commit, "commit", "", "name the commit instead of asking git, for a tree without .git; the variable SOURCE_DATE_EPOCH must give its time")
	f.StringVar(&in.builder, "builder", "https://quoin.dev/release/builder/local", "URI of who builds, for the provenance")
	f.BoolVar(&in.allowDirty, "allow-dirty", false, allowDirtyUsage)
}

func buildCommand() *cobra.Command {
	var in inputs
	var o assemble.Options
	cmd := &cobra.Command{
		Use:   "build --out DIR",
		Short: "Makes archives, packages, images, SBOMs, provenance and sums",
		Long: `Compiles every program for every platform by the canonical command (see "release command") and makes of the binaries
archives, .deb and .rpm packages, OCI images, an SPDX document for each, a statement of provenance, and SHA256SUMS.
The same commit, version, builder and list of platforms give the same bytes anywhere.`,
		Example: `  go run ./tools/release build --platforms all --out dist
  go run ./tools/release build --platforms linux/amd64,linux/arm64 --version 0.2.0-rc.1 --out dist
  go run ./tools/release build --key release.pem --out dist`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := in.release()
			if err != nil {
				return err
			}
			o.Progress = printer(cmd)
			o.Progress(fmt.Sprintf("quoin %s, commit %s of %s, %s", r.Version, r.Commit, r.Time.Format(time.RFC3339), r.Go))
			if o.Out, err = filepath.Abs(o.Out); err != nil {
				return err
			}
			return assemble.Release(cmd.Context(), r, o)
		},
	}
	in.flags(cmd, "all")
	cmd.Flags().StringVar(&o.Out, "out", "", "directory of the release, new or empty")
	cmd.Flags().StringVar(&o.Binaries, "binaries", "", "pack the binaries in this directory, PLATFORM/PROGRAM and PLATFORM/debug/PROGRAM, instead of compiling")
	cmd.Flags().StringVar(&o.Key, "key", "", "sign SHA256SUMS with the private key in this PEM file (PKCS #8, ECDSA or Ed25519)")
	cmd.Flags().IntVar(&o.Jobs, "jobs", 0, "how many compilers run at once (default: as Go likes)")
	_ = cmd.MarkFlagRequired("out")
	return cmd
}

func commandCommand() *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use:   "command",
		Short: "Prints the canonical build command, one line for each platform",
		Example: `  go run ./tools/release command
  go run ./tools/release command --platforms all --allow-dirty`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := in.release()
			if err != nil {
				return err
			}
			for _, p := range r.Platforms {
				printer(cmd)(r.Shell(spec.Build{Platform: p, Programs: r.Programs, Out: "bin/" + p.Dash() + "/"}))
			}
			return nil
		},
	}
	in.flags(cmd, runtime.GOOS+"/"+runtime.GOARCH)
	return cmd
}

// release turns the flags into what is to be built, from the tree in the working directory.
func (in *inputs) release() (*spec.Release, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	table, err := spec.ReadTable(root)
	if err != nil {
		return nil, fmt.Errorf("run this at the top of the repository: %w", err)
	}
	if err := table.CheckToolchain(); err != nil {
		return nil, err
	}
	r := &spec.Release{Table: *table, Root: root, Version: in.version, Builder: in.builder}
	if r.Platforms, err = table.Select(in.platforms); err != nil {
		return nil, err
	}
	if r.Version == "" {
		w, err := workspace.Load(root)
		if err != nil {
			return nil, err
		}
		version, err := w.Version()
		if err != nil {
			return nil, err
		}
		r.Version = strings.TrimPrefix(version, "v")
	}
	if semver.Canonical("v"+r.Version) != "v"+r.Version {
		return nil, fmt.Errorf("--version %s: not a version like 1.2.3 or 1.2.3-rc.1", r.Version)
	}
	if in.commit != "" {
		return r, in.named(r)
	}
	commit, err := source.Read(root)
	if err != nil {
		return nil, err
	}
	if commit.Dirty && !in.allowDirty {
		return nil, source.ErrDirty
	}
	r.Commit, r.Time = commit.Name(), commit.Time
	return r, nil
}

var commitName = regexp.MustCompile(`^[0-9a-f]{40}(` + source.Dirty + `)?$`)

// named takes commit and time from the caller.
func (in *inputs) named(r *spec.Release) error {
	if !commitName.MatchString(in.commit) {
		return fmt.Errorf("--commit %s: not 40 hexadecimal digits", in.commit)
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return errors.New("--commit needs the time of the commit, in Unix seconds, in SOURCE_DATE_EPOCH")
	}
	r.Commit, r.Time = in.commit, time.Unix(seconds, 0).UTC()
	return nil
}
