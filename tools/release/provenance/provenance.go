// Package provenance states, in the terms of in-toto and SLSA, what a release was built from and how; verify reads it to
// build the same again.
package provenance

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"quoin.dev/quoin/tools/release/source"
	"quoin.dev/quoin/tools/release/spec"
	"quoin.dev/quoin/tools/release/sums"
)

const (
	predicateType = "https://slsa.dev/provenance/v1"
	buildType     = "https://quoin.dev/release/v1"
	repository    = "git+https://quoin.dev/quoin"
	suffix        = ".provenance.json"
)

// Write states the provenance of every file that is in dir, and returns the name of the statement.
func Write(r *spec.Release, dir string, modules []*debug.Module) (string, error) {
	names, err := sums.Files(dir)
	if err != nil {
		return "", err
	}
	statement := &intoto.Statement{Type: intoto.StatementTypeUri, PredicateType: predicateType}
	for _, name := range names {
		sum, err := sums.Of(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		statement.Subject = append(statement.Subject, &intoto.ResourceDescriptor{Name: name, Digest: map[string]string{"sha256": sum}})
	}
	predicate, err := predicateOf(r, modules)
	if err != nil {
		return "", err
	}
	if err := predicate.Validate(); err != nil {
		return "", err
	}
	statement.Predicate = new(structpb.Struct)
	data, err := protojson.Marshal(predicate)
	if err != nil {
		return "", err
	}
	if err := protojson.Unmarshal(data, statement.Predicate); err != nil {
		return "", err
	}
	if err := statement.Validate(); err != nil {
		return "", err
	}
	if data, err = marshal(statement); err != nil {
		return "", err
	}
	name := filepath.Join(dir, "quoin-"+r.Version+suffix)
	return name, os.WriteFile(name, data, 0o644)
}

// marshal writes stable JSON: protojson varies its white space from one program to the next on purpose.
func marshal(m proto.Message) ([]byte, error) {
	data, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func predicateOf(r *spec.Release, modules []*debug.Module) (*slsa.Provenance, error) {
	var platforms []any
	for _, p := range r.Platforms {
		platforms = append(platforms, p.String())
	}
	// Everything that build was told, so that verify can tell it again.
	external, err := structpb.NewStruct(map[string]any{
		"commit": r.Commit, "version": r.Version, "platforms": platforms, "builder": r.Builder, "time": r.Time.Unix(),
	})
	if err != nil {
		return nil, err
	}
	var internal structpb.Struct
	table, err := json.Marshal(r.Table)
	if err != nil {
		return nil, err
	}
	if err := protojson.Unmarshal(table, &internal); err != nil {
		return nil, err
	}
	hash := strings.TrimSuffix(r.Commit, source.Dirty)
	dependencies := []*intoto.ResourceDescriptor{
		{Uri: repository, Digest: map[string]string{"gitCommit": hash}},
		{Name: "go", Uri: "pkg:golang/toolchain@" + strings.TrimPrefix(r.Go, "go")},
	}
	for _, m := range modules {
		d := &intoto.ResourceDescriptor{Uri: fmt.Sprintf("pkg:golang/%s@%s", m.Path, m.Version)}
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) > 0 {
			d.Digest = map[string]string{"dirHash1": hex.EncodeToString(sum)}
		}
		dependencies = append(dependencies, d)
	}
	return &slsa.Provenance{
		BuildDefinition: &slsa.BuildDefinition{
			BuildType: buildType, ExternalParameters: external, InternalParameters: &internal, ResolvedDependencies: dependencies,
		},
		RunDetails: &slsa.RunDetails{Builder: &slsa.Builder{Id: r.Builder}},
	}, nil
}
