package rpctypes

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type reference struct {
	Errors []struct {
		Ident        string
		CodeNumber   codes.Code `json:"code_number"`
		Message      string
		Reverse      bool     `json:"client_reverse_mapped"`
		ClientIdents []string `json:"client_idents"`
		AliasOf      string   `json:"alias_of"`
	}
	MetadataKeys map[string]string `json:"metadata_keys"`
}

func load(t *testing.T) (r reference) {
	t.Helper()
	raw, err := os.ReadFile("testdata/errors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// declared returns the exported variables of the package, read from its source.
func declared(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, id := range s.(*ast.ValueSpec).Names {
					if id.IsExported() {
						names = append(names, id.Name)
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestNamesAreThePublishedOnes(t *testing.T) {
	var want []string
	for _, e := range load(t).Errors {
		want = append(append(want, e.Ident), e.ClientIdents...)
	}
	slices.Sort(want)
	if got := declared(t); !slices.Equal(got, want) {
		t.Errorf("declared in the source\n got %v\nwant %v", got, want)
	}
	if got := slices.Sorted(maps.Keys(published)); !slices.Equal(got, want) {
		t.Errorf("listed in this test\n got %v\nwant %v", got, want)
	}
}

func TestCodesAndTexts(t *testing.T) {
	mapped := 0
	for _, e := range load(t).Errors {
		wire := published[e.Ident]
		s, ok := status.FromError(wire)
		if !ok || s.Code() != e.CodeNumber || s.Message() != e.Message {
			t.Errorf("%s = %v, want %v %q", e.Ident, wire, e.CodeNumber, e.Message)
		}
		if e.AliasOf != "" {
			if published[e.AliasOf] != wire {
				t.Errorf("%s is not %s", e.Ident, e.AliasOf)
			}
			continue
		}
		typed := EtcdError{code: e.CodeNumber, desc: e.Message}
		want := wire
		if e.Reverse {
			mapped++
			want = typed
		}
		if got := Error(wire); got != want {
			t.Errorf("Error(%s) = %#v, want %#v", e.Ident, got, want)
		}
		for _, c := range e.ClientIdents {
			if published[c] != want {
				t.Errorf("%s = %#v, want %#v", c, published[c], want)
			}
		}
	}
	if mapped != len(known) {
		t.Errorf("%d errors have a typed form, want %d", len(known), mapped)
	}
}

func TestErrorMapsByText(t *testing.T) {
	// A member answers a few errors with the code Unknown; the client still gives them their declared code.
	err := Error(status.Error(codes.Unknown, "etcdserver: too many requests"))
	if err != ErrTooManyRequests || err.(EtcdError).Code() != codes.ResourceExhausted {
		t.Errorf("got %#v", err)
	}
	if err := Error(fmt.Errorf("get: %w", ErrGRPCCompacted)); errors.Is(err, ErrCompacted) {
		t.Errorf("a wrapped error lost the text around it: %#v", err)
	}
	if Error(nil) != nil {
		t.Error("Error(nil) is not nil")
	}
	other := errors.New("dial failed")
	if Error(other) != other || ErrorDesc(other) != "dial failed" {
		t.Error("a foreign error was changed")
	}
	if got := ErrorDesc(ErrGRPCNoLeader); got != "etcdserver: no leader" {
		t.Errorf("ErrorDesc = %q", got)
	}
}

func TestMetadataKeys(t *testing.T) {
	want := load(t).MetadataKeys
	got := map[string]string{
		"client_api_version_key": MetadataClientAPIVersionKey,
		"require_leader_key":     MetadataRequireLeaderKey,
		"require_leader_value":   MetadataHasLeader,
		"token_grpc":             TokenFieldNameGRPC,
		"token_http":             TokenFieldNameSwagger,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
