// Package image makes OCI images of the programs: one multi-arch layout for registries, and an archive per platform that
// `docker load` takes.
package image

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"quoin.dev/quoin/tools/release/archive"
	"quoin.dev/quoin/tools/release/spec"
)

// Repository is the name of the image before a registry gives it another one.
const Repository = "quoin"

// configFile holds what the image runs and as whom.
const configFile = "release/image.json"

// Image is the image of one platform.
type Image struct {
	Platform spec.Platform
	image    v1.Image
}

// New makes the image of a platform from its binaries, by program name.
func New(r *spec.Release, p spec.Platform, programs []spec.Program, binaries map[string]string) (*Image, error) {
	baseLayer, err := layer(r, base())
	if err != nil {
		return nil, err
	}
	programLayer, err := layer(r, programEntries(programs, binaries))
	if err != nil {
		return nil, err
	}
	config, err := config(r)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img,
		mutate.Addendum{Layer: baseLayer, History: history(r, "users, roots of trust, directories")},
		mutate.Addendum{Layer: programLayer, History: history(r, "programs")})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = p.OS, p.Arch
	file.Created = v1.Time{Time: r.Time}
	file.Config = *config
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, err
	}
	return &Image{p, mutate.Annotations(img, annotations(r)).(v1.Image)}, nil
}

// WriteDocker writes the archive for `docker load`. The image gets its name with the version as tag.
func (i *Image) WriteDocker(file, tag string) error {
	ref, err := name.NewTag(Repository + ":" + tag)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(file, ref, i.image)
}

// WriteLayout writes one OCI image layout of several platforms as a tar file.
func WriteLayout(r *spec.Release, file, tag string, images []*Image) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: i.image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: i.Platform.OS, Architecture: i.Platform.Arch},
		}})
	}
	index = mutate.Annotations(index, annotations(r)).(v1.ImageIndex)
	outer := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add:        index,
		Descriptor: v1.Descriptor{Annotations: map[string]string{"org.opencontainers.image.ref.name": tag}},
	})
	dir, err := os.MkdirTemp("", "quoin-layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := layout.Write(dir, outer); err != nil {
		return err
	}
	entries, err := tree(dir)
	if err != nil {
		return err
	}
	return archive.Create(file, r.Time, entries)
}

func tree(dir string) ([]archive.Entry, error) {
	var entries []archive.Entry
	err := filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		entries = append(entries, archive.Entry{Name: filepath.ToSlash(rel), Mode: 0o644, File: file})
		return err
	})
	return entries, err
}

func programEntries(programs []spec.Program, binaries map[string]string) []archive.Entry {
	const dir = "usr/local/bin"
	var entries []archive.Entry
	for _, p := range programs {
		at := dir
		if p.Name == "sh" {
			at = "bin" // where everything that starts a shell looks for it
			entries = append(entries, archive.Entry{Name: "bin/", Mode: 0o755})
		}
		entries = append(entries, archive.Entry{Name: path.Join(at, p.Name), Mode: 0o755, File: binaries[p.Name]})
		if p.EtcdName != "" {
			entries = append(entries, archive.Entry{Name: path.Join(dir, p.EtcdName), Link: p.Name})
		}
	}
	return entries
}

func layer(r *spec.Release, entries []archive.Entry) (v1.Layer, error) {
	var b bytes.Buffer
	if err := archive.Tar(&b, r.Time, entries); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
}

func config(r *spec.Release) (*v1.Config, error) {
	data, err := os.ReadFile(filepath.Join(r.Root, configFile))
	if err != nil {
		return nil, err
	}
	c := new(v1.Config)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	c.Labels = annotations(r)
	return c, nil
}

func annotations(r *spec.Release) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    "quoin",
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.version":  r.Version,
		"org.opencontainers.image.revision": r.Commit,
		"org.opencontainers.image.created":  r.Time.Format("2006-01-02T15:04:05Z"),
	}
}

func history(r *spec.Release, what string) v1.History {
	return v1.History{Created: v1.Time{Time: r.Time}, CreatedBy: "tools/release: " + what}
}
