package provenance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// Parameters are what a build was told.
type Parameters struct {
	Commit, Version, Builder string
	Platforms                []string
	Unix                     int64 // time of the commit, in seconds
}

// Read finds the statement in dir and returns the parameters of the build.
func Read(dir string) (*Parameters, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, err
	}
	if len(names) != 1 {
		return nil, fmt.Errorf("%s holds %d files *%s: a release has one", dir, len(names), suffix)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		return nil, err
	}
	var s intoto.Statement
	if err := protojson.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", names[0], err)
	}
	external := s.GetPredicate().GetFields()["buildDefinition"].GetStructValue().GetFields()["externalParameters"].GetStructValue().GetFields()
	p := &Parameters{
		Commit: external["commit"].GetStringValue(), Version: external["version"].GetStringValue(),
		Builder: external["builder"].GetStringValue(), Unix: int64(external["time"].GetNumberValue()),
	}
	for _, v := range external["platforms"].GetListValue().GetValues() {
		p.Platforms = append(p.Platforms, v.GetStringValue())
	}
	if s.GetPredicateType() != predicateType || p.Commit == "" || p.Version == "" || len(p.Platforms) == 0 {
		return nil, errors.New(names[0] + " is not the provenance of a release of quoin")
	}
	return p, nil
}
