// Package assemble makes a whole release: it compiles every program for every platform and puts the binaries into
// archives, packages and images, with a bill of materials for each, a statement of provenance, and sums of all.
package assemble

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"quoin.dev/quoin/tools/release/image"
	"quoin.dev/quoin/tools/release/linuxpkg"
	"quoin.dev/quoin/tools/release/provenance"
	"quoin.dev/quoin/tools/release/sbom"
	"quoin.dev/quoin/tools/release/spec"
	"quoin.dev/quoin/tools/release/sums"
)

// Options of one run that do not change the bytes.
type Options struct {
	Out string // must not hold anything yet
	// Binaries, if set, holds PLATFORM/PROGRAM (with a dash in the platform) for everything that would be compiled, the
	// programs with symbols in PLATFORM/debug. It lets another builder compile and this one only pack.
	Binaries string
	Jobs     int    // of the compiler; 0 leaves that to Go
	Key      string // file of a private key that signs the sums; "" signs nothing
	// Progress takes a line for each step.
	Progress func(line string)
}

// run is the state of one release being made.
type run struct {
	*spec.Release
	Options
	ctx       context.Context
	stage     string // directory of what is compiled and generated on the way
	artifacts []sbom.Artifact
	images    []*image.Image
	debug     []*image.Image
	// plain and symbols are all binaries that are in images.
	plain, symbols []string
	// data are the modules that images hold data of.
	data  []*debug.Module
	start time.Time
}

// Release makes the release in o.Out.
func Release(ctx context.Context, r *spec.Release, o Options) error {
	if err := emptyDir(o.Out); err != nil {
		return err
	}
	stage, err := os.MkdirTemp("", "quoin-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	m := &run{Release: r, Options: o, ctx: ctx, stage: stage, start: time.Now()}
	if err := completions(filepath.Join(stage, "completions")); err != nil {
		return err
	}
	if m.data, err = m.dataModules(); err != nil {
		return err
	}
	for i, p := range r.Platforms {
		m.say("%d/%d %s", i+1, len(r.Platforms), p)
		if err := m.platform(p); err != nil {
			return err
		}
	}
	if err := m.layouts(); err != nil {
		return err
	}
	return m.finish()
}

// platform makes everything that holds programs of one platform only.
func (m *run) platform(p spec.Platform) error {
	stage := filepath.Join(m.stage, p.Dash())
	binaries, err := m.compile(spec.Build{Platform: p, Programs: m.Programs, Out: filepath.Join(stage, "bin"), Jobs: m.Jobs})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("quoin-%s-%s", m.Version, p.Dash())
	if err := m.archive(p, name, binaries); err != nil {
		return err
	}
	if p.OS != "linux" {
		return nil
	}
	if err := os.Symlink(filepath.Join(m.stage, "completions"), filepath.Join(stage, "completions")); err != nil {
		return err
	}
	for _, format := range linuxpkg.Formats {
		file, err := linuxpkg.Write(m.Release, p, format, stage, m.Out)
		if err != nil {
			return err
		}
		m.made(sbom.Artifact{File: filepath.Join(m.Out, file), Binaries: paths(m.Programs, binaries)})
	}
	return m.image(p, name, binaries)
}

// image makes the two images of a platform and the archive for Docker.
func (m *run) image(p spec.Platform, name string, binaries map[string]string) error {
	img, err := image.New(m.Release, p, m.Programs, binaries)
	if err != nil {
		return err
	}
	file := filepath.Join(m.Out, name+".docker.tar")
	if err := img.WriteDocker(file, m.Version); err != nil {
		return err
	}
	m.images = append(m.images, img)
	m.plain = append(m.plain, paths(m.Programs, binaries)...)
	m.made(sbom.Artifact{File: file, Binaries: paths(m.Programs, binaries), Modules: m.data})

	programs := append(append([]spec.Program{}, m.Programs...), m.DebugPrograms...)
	symbols, err := m.compile(spec.Build{Platform: p, Programs: programs, Debug: true, Out: filepath.Join(m.stage, p.Dash(), "debug"), Jobs: m.Jobs})
	if err != nil {
		return err
	}
	if img, err = image.New(m.Release, p, programs, symbols); err != nil {
		return err
	}
	m.debug = append(m.debug, img)
	m.symbols = append(m.symbols, paths(programs, symbols)...)
	return nil
}

// layouts makes the multi-arch images.
func (m *run) layouts() error {
	for _, l := range []struct {
		suffix   string
		images   []*image.Image
		binaries []string
	}{{"", m.images, m.plain}, {"-debug", m.debug, m.symbols}} {
		if len(l.images) == 0 {
			continue
		}
		file := filepath.Join(m.Out, fmt.Sprintf("quoin-%s-image%s.oci.tar", m.Version, l.suffix))
		if err := image.WriteLayout(m.Release, file, m.Version+l.suffix, l.images); err != nil {
			return err
		}
		m.made(sbom.Artifact{File: file, Binaries: l.binaries, Modules: m.data})
	}
	return nil
}

// finish writes what is about the artifacts.
func (m *run) finish() error {
	if err := copyFile(filepath.Join(m.Root, "release", "install.sh"), filepath.Join(m.Out, "install.sh"), 0o755); err != nil {
		return err
	}
	var modules []*debug.Module
	for _, a := range m.artifacts {
		if _, err := sbom.Write(m.Release, a); err != nil {
			return err
		}
		found, err := sbom.Modules(a)
		if err != nil {
			return err
		}
		modules = append(modules, found...)
	}
	if _, err := provenance.Write(m.Release, m.Out, sbom.Dependencies(modules)); err != nil {
		return err
	}
	if err := sums.Write(m.Out); err != nil {
		return err
	}
	if m.Key != "" {
		if err := sums.Sign(m.Out, m.Key); err != nil {
			return err
		}
	}
	m.say("%d artifacts, their SBOMs, the provenance and %s are in %s", len(m.artifacts), sums.File, m.Out)
	return nil
}

// made notes an artifact and tells its size.
func (m *run) made(a sbom.Artifact) {
	m.artifacts = append(m.artifacts, a)
	if info, err := os.Stat(a.File); err == nil {
		m.say("    %-44s %6.1f MB", filepath.Base(a.File), float64(info.Size())/1e6)
	}
}

func (m *run) say(format string, args ...any) {
	if m.Progress != nil {
		m.Progress(fmt.Sprintf("%5.0fs  ", time.Since(m.start).Seconds()) + fmt.Sprintf(format, args...))
	}
}
