package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The types below mirror testdata/wire.json. Decoding refuses unknown fields, so every fact of the file is either compared
// or listed here as not to be.
type (
	wireFile struct {
		File, Package, Syntax string
		GoPackage             any `json:"go_package"` // ours differs
		Imports               any // ours are laid out differently
		Enums                 []wireEnum
		Messages              []wireMessage
		Services              []wireService
		Extensions            []wireExtension
	}
	wireMessage struct {
		Name           string
		Fields         []wireField
		Enums          []wireEnum
		Oneofs         any      // every oneof is named by its fields
		ReservedRanges [][2]int `json:"reserved_ranges"`
		ReservedNames  []string `json:"reserved_names"`
		Annotations    map[string]string
	}
	wireField struct {
		Name, Kind, Label, Type, Oneof string
		JSONName                       string `json:"json_name"`
		Number                         int
		Presence, Packed               bool
		Annotations                    map[string]string
	}
	wireEnum struct {
		Name        string
		Values      []wireValue
		Annotations map[string]string
	}
	wireValue struct {
		Name        string
		Number      int
		Annotations map[string]string
	}
	wireService struct {
		Name    string
		Methods []wireMethod
	}
	wireMethod struct {
		Name, Request, Response string
		FullMethod              string `json:"full_method"`
		ClientStreaming         bool   `json:"client_streaming"`
		ServerStreaming         bool   `json:"server_streaming"`
		HTTP                    []wireHTTP
	}
	wireHTTP      struct{ Verb, Path, Body string }
	wireExtension struct {
		Name, Extends, Label, Type string
		Number                     int
	}
)

func reference(t *testing.T) []wireFile {
	t.Helper()
	raw, err := os.ReadFile("testdata/wire.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Etcd, Raft string
		Files      []wireFile
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	if len(all.Files) == 0 {
		t.Fatal("testdata/wire.json lists no files")
	}
	return all.Files
}

// facts turns files into one line per fact, so that a difference reads as the lines that are missing or too many.
func facts(files []wireFile) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	enum := func(e wireEnum) {
		add("enum %s %v", e.Name, e.Annotations)
		for _, v := range e.Values {
			add("enum %s: %s = %d %v", e.Name, v.Name, v.Number, v.Annotations)
		}
	}
	for _, f := range files {
		add("file %s: package %s, syntax %s", f.File, f.Package, f.Syntax)
		for _, e := range f.Enums {
			enum(e)
		}
		for _, m := range f.Messages {
			add("message %s in %s: reserved %v %v %v", m.Name, f.File, m.ReservedRanges, m.ReservedNames, m.Annotations)
			for _, e := range m.Enums {
				enum(e)
			}
			for _, x := range m.Fields {
				add("field %s.%s = %d: %s %s (%s), json %s, oneof %q, presence %t, packed %t %v", m.Name, x.Name, x.Number,
					x.Label, x.Type, x.Kind, x.JSONName, x.Oneof, x.Presence, x.Packed, x.Annotations)
			}
		}
		for _, s := range f.Services {
			add("service %s in %s", s.Name, f.File)
			for _, m := range s.Methods {
				add("rpc %s: %s.%s(%s, stream %t) returns (%s, stream %t) http %v", m.FullMethod, s.Name, m.Name,
					m.Request, m.ClientStreaming, m.Response, m.ServerStreaming, m.HTTP)
			}
		}
		for _, x := range f.Extensions {
			add("extension %s = %d of %s: %s %s", x.Name, x.Number, x.Extends, x.Label, x.Type)
		}
	}
	slices.Sort(out)
	return out
}

func TestDescriptorsAreThoseOfTheReference(t *testing.T) {
	want, got := facts(reference(t)), facts(compiled())
	t.Logf("%d facts", len(want))
	for _, line := range without(want, got) {
		t.Errorf("missing: %s", line)
	}
	for _, line := range without(got, want) {
		t.Errorf("too many: %s", line)
	}
	if len(got) != len(want) {
		t.Errorf("%d facts, want %d", len(got), len(want))
	}
}

func without(a, b []string) (out []string) {
	for _, line := range a {
		if _, found := slices.BinarySearch(b, line); !found {
			out = append(out, line)
		}
	}
	return out
}

// Nothing leaves a .proto file undocumented: the files are the reference that users of other languages read.
func TestProtosAreDocumented(t *testing.T) {
	for _, path := range protoFiles(t) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		previous, depth := "", 0
		for n, line := range strings.Split(string(raw), "\n") {
			text := strings.TrimSpace(line)
			word, _, _ := strings.Cut(text, " ")
			inMessage := depth > 0 && (word == "rpc" || word == "message" || word == "enum")
			if (depth == 0 && slices.Contains([]string{"syntax", "message", "enum", "service", "extend"}, word) || inMessage) && !strings.HasPrefix(previous, "//") {
				t.Errorf("%s:%d: no comment above: %s", path, n+1, text)
			}
			depth += strings.Count(text, "{") - strings.Count(text, "}")
			previous = text
		}
	}
}
