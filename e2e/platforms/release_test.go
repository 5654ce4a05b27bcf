package platforms

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/compile"
	"quoin.dev/quoin/tools/release/image"
	"quoin.dev/quoin/tools/release/spec"
)

const root = "../.."

// release is a trial release of the working tree.
func release(t *testing.T) *spec.Release {
	t.Helper()
	table, err := spec.ReadTable(root)
	if err != nil {
		t.Fatal(err)
	}
	return &spec.Release{Table: *table, Root: root, Version: "0.0.0-trial", Commit: "0123456789abcdef0123456789abcdef01234567", Time: time.Unix(1_700_000_000, 0).UTC()}
}

// compiled builds all programs of a platform by the canonical command.
func compiled(t *testing.T, r *spec.Release, p spec.Platform) map[string]string {
	t.Helper()
	return compiledAs(t, r, spec.Build{Platform: p, Programs: r.Programs})
}

func compiledAs(t *testing.T, r *spec.Release, b spec.Build) map[string]string {
	t.Helper()
	b.Out = filepath.Join(t.TempDir(), "bin")
	binaries, err := compile.Run(context.Background(), r, b)
	if err != nil {
		t.Fatal(err)
	}
	return binaries
}

// imageArchive writes the image of this machine's processor for `docker load`, the debug variant if asked for.
func imageArchive(t *testing.T, tag string, debug bool) string {
	t.Helper()
	g := NewWithT(t)
	r := release(t)
	b := spec.Build{Platform: spec.Platform{OS: "linux", Arch: runtime.GOARCH}, Programs: r.Programs, Debug: debug}
	if debug {
		b.Programs = append(slices.Clone(b.Programs), r.DebugPrograms...)
	}
	img, err := image.New(r, b.Platform, b.Programs, compiledAs(t, r, b))
	g.Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(t.TempDir(), "image.docker.tar")
	g.Expect(img.WriteDocker(file, tag)).To(Succeed())
	return file
}
