// Package linuxpkg makes .deb and .rpm packages from release/nfpm.yaml.
package linuxpkg

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format

	"quoin.dev/quoin/tools/release/spec"
)

// Formats are the kinds of packages.
var Formats = []string{"deb", "rpm"}

// description is what nfpm reads; ${STAGE} in it is a directory with everything that was built, ${TOP} the source.
const description = "release/nfpm.yaml"

// Write makes the package of a platform in dir and returns its file name. Stage holds bin/ and completions/.
func Write(r *spec.Release, p spec.Platform, format, stage, dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(r.Root, description))
	if err != nil {
		return "", err
	}
	values := map[string]string{
		"ARCH": p.Arch, "VERSION": r.Version, "TOP": filepath.ToSlash(r.Root), "STAGE": filepath.ToSlash(stage),
	}
	c, err := nfpm.ParseWithEnvMapping(bytes.NewReader(data), func(name string) string { return values[name] })
	if err != nil {
		return "", fmt.Errorf("%s: %w", description, err)
	}
	info, err := c.Get(format)
	if err != nil {
		return "", err
	}
	info = nfpm.WithDefaults(info)
	info.MTime = r.Time
	// The time and the modes of a checkout must not get into the package.
	for _, content := range info.Contents {
		if content.FileInfo == nil {
			content.FileInfo = new(files.ContentFileInfo)
		}
		content.FileInfo.MTime = r.Time
		switch {
		case content.Type == "symlink":
			content.FileInfo.Mode = 0o777
		case content.FileInfo.Mode == 0:
			content.FileInfo.Mode = 0o644 // else it would be that of the file here, which depends on the umask
		}
	}
	for _, script := range []*string{&info.Scripts.PostInstall, &info.Scripts.PreRemove, &info.Scripts.PostRemove} {
		*script = filepath.Join(r.Root, filepath.FromSlash(*script))
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	name := packager.ConventionalFileName(info)
	var b bytes.Buffer
	if err := packager.Package(info, &b); err != nil {
		return "", fmt.Errorf("%s for %s: %w", format, p, err)
	}
	return name, os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)
}
