// Package sbom writes an SPDX document for an artifact, from the build information that the Go linker left in the
// programs that the artifact holds.
package sbom

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"quoin.dev/quoin/tools/release/spec"
)

const (
	ourPrefix = "quoin.dev/"
	// stdlib is the name of Go's standard library in purls.
	stdlib = "stdlib"
	// unknown is what SPDX wants where nothing is claimed.
	unknown = "NOASSERTION"
	// listed is the reference category that purls belong to.
	listed = "PACKAGE-MANAGER"
)

// Artifact is one file of the release and the binaries that it holds, as paths.
type Artifact struct {
	File     string
	Binaries []string
	// Modules are linked into no binary, but their data is in the artifact.
	Modules []*debug.Module
}

// Write writes the document beside the artifact, with .spdx.json behind its name, and returns that name.
func Write(r *spec.Release, a Artifact) (string, error) {
	data, err := os.ReadFile(a.File)
	if err != nil {
		return "", err
	}
	modules, err := Modules(a)
	if err != nil {
		return "", err
	}
	doc := document(r, filepath.Base(a.File), sha256.Sum256(data), modules)
	var b bytes.Buffer
	if err := json.Write(doc, &b, json.Indent("  ")); err != nil {
		return "", err
	}
	name := a.File + ".spdx.json"
	return name, os.WriteFile(name, b.Bytes(), 0o644)
}

// Modules are those that are linked into the binaries of an artifact or give it data, our own among them, and "stdlib"
// with the version of Go; each once, sorted by path.
func Modules(a Artifact) ([]*debug.Module, error) {
	modules := slices.Clone(a.Modules)
	for _, b := range a.Binaries {
		info, err := buildinfo.ReadFile(b)
		if err != nil {
			return nil, err
		}
		modules = append(modules, &info.Main, &debug.Module{Path: stdlib, Version: strings.TrimPrefix(info.GoVersion, "go")})
		modules = append(modules, info.Deps...)
	}
	return merged(modules), nil
}

// Dependencies are the modules of other people, each once.
func Dependencies(modules []*debug.Module) []*debug.Module {
	return slices.DeleteFunc(merged(modules), func(m *debug.Module) bool {
		return m.Path == stdlib || strings.HasPrefix(m.Path, ourPrefix)
	})
}

// merged returns each module once, sorted by path.
func merged(modules []*debug.Module) []*debug.Module {
	byPath := map[string]*debug.Module{}
	for _, m := range modules {
		if m.Path != "" {
			byPath[m.Path] = m
		}
	}
	all := make([]*debug.Module, 0, len(byPath))
	for _, m := range byPath {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *debug.Module) int { return strings.Compare(a.Path, b.Path) })
	return all
}

func document(r *spec.Release, name string, sum [sha256.Size]byte, modules []*debug.Module) *v2_3.Document {
	digest := hex.EncodeToString(sum[:])
	doc := &v2_3.Document{
		SPDXVersion:       v2_3.Version,
		DataLicense:       v2_3.DataLicense,
		SPDXIdentifier:    "DOCUMENT",
		DocumentName:      name,
		DocumentNamespace: fmt.Sprintf("https://quoin.dev/spdx/%s-%s", name, digest),
		CreationInfo: &v2_3.CreationInfo{
			Created:  r.Time.Format("2006-01-02T15:04:05Z"),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "quoin-release-" + r.Version}},
		},
	}
	artifact := newPackage("Artifact", "quoin", r.Version)
	artifact.PackageFileName = name
	artifact.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: digest}}
	artifact.PackageLicenseDeclared = "Apache-2.0"
	doc.Packages = append(doc.Packages, artifact)
	relate(doc, "DOCUMENT", common.TypeRelationshipDescribe, artifact.PackageSPDXIdentifier)
	for _, m := range modules {
		p := modulePackage(r, m)
		doc.Packages = append(doc.Packages, p)
		relate(doc, artifact.PackageSPDXIdentifier, common.TypeRelationshipContains, p.PackageSPDXIdentifier)
	}
	return doc
}

// modulePackage describes a Go module. Our own have no version in a workspace; theirs is that of the release.
func modulePackage(r *spec.Release, m *debug.Module) *v2_3.Package {
	version := m.Version
	ours := strings.HasPrefix(m.Path, ourPrefix)
	if ours {
		version = "v" + r.Version
	}
	p := newPackage("Module-"+identifier(m.Path), m.Path, version)
	p.PackageExternalReferences = []*v2_3.PackageExternalReference{{
		Category: listed, RefType: "purl", Locator: fmt.Sprintf("pkg:golang/%s@%s", m.Path, version),
	}}
	switch {
	case ours:
		p.PackageLicenseDeclared = "Apache-2.0"
		p.PackageSourceInfo = "commit " + r.Commit
	case m.Path == stdlib:
		p.PackageLicenseDeclared = "BSD-3-Clause"
		p.PackageSourceInfo = "the Go toolchain"
	default:
		p.PackageSourceInfo = "go.sum " + m.Sum
	}
	return p
}

func newPackage(id, name, version string) *v2_3.Package {
	return &v2_3.Package{
		PackageName:               name,
		PackageSPDXIdentifier:     common.ElementID(id),
		PackageVersion:            version,
		PackageDownloadLocation:   unknown,
		IsFilesAnalyzedTagPresent: true,
		PackageLicenseConcluded:   unknown,
		PackageLicenseDeclared:    unknown,
		PackageCopyrightText:      unknown,
	}
}

func relate(doc *v2_3.Document, a common.ElementID, how string, b common.ElementID) {
	doc.Relationships = append(doc.Relationships, &v2_3.Relationship{
		RefA:         common.MakeDocElementID("", string(a)),
		RefB:         common.MakeDocElementID("", string(b)),
		Relationship: how,
	})
}

var notInIdentifiers = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// identifier turns a module path into what an SPDX identifier may hold.
func identifier(path string) string { return notInIdentifiers.ReplaceAllString(path, "-") }
