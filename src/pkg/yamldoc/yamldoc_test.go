package yamldoc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"quoin.dev/pkg/yamldoc"
)

func TestWrite(t *testing.T) {
	in := `{"header":{"cluster_id":18446744073709551615,"revision":-9223372036854775808},"kvs":[{"key":"aw==","lease":1},{"key":"b"}],` +
		`"more":true,"empty":[],"none":null,"nothing":{},"text":"two\nlines","switch":"no","number":"12","share":0.5}` + "\nnull\n[]\n"
	want := `---
header:
  cluster_id: 18446744073709551615
  revision: -9223372036854775808
kvs:
  - key: aw==
    lease: 1
  - key: b
more: true
empty: []
none: null
nothing: {}
text: |-
  two
  lines
switch: "no"
number: "12"
share: 0.5
---
null
---
[]
`
	var out bytes.Buffer
	if err := yamldoc.Write(&out, []byte(in)); err != nil || out.String() != want {
		t.Errorf("error %v, wrote\n%s\nwant\n%s", err, out.String(), want)
	}
}

// What is read from the YAML is what was in the JSON, whatever the strings look like.
func TestWriteLosesNothing(t *testing.T) {
	texts := []string{
		"", " ", "-", "- a", "a: b", "#", "a #b", "*a", "&a", "!a", "|", ">", "%", "@", "`", "yes", "Off", "y", "null", "~", "true", "1e3", "0x1f", "0o7", "1:20",
		"2001-01-01", ".inf", "<<", "=", "\x00\x1b", "\u2028\u00e9\U0001f600", "<html>&", `\"'`, "a\r\nb", "\n", "tab\tend ", strings.Repeat("long ", 100), "---", "...",
	}
	for _, text := range texts {
		document := map[string]any{text: []any{text, map[string]any{"n": math.MaxInt32, "x": text}}}
		in, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := yamldoc.Write(&out, in); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		var got map[string]any
		if err := yaml.Unmarshal(out.Bytes(), &got); err != nil || !reflect.DeepEqual(got, document) {
			t.Errorf("%s: error %v, wrote\n%s", in, err, out.String())
		}
	}
}

func TestWriteFails(t *testing.T) {
	if err := yamldoc.Write(&bytes.Buffer{}, []byte(`{"a":`)); err == nil {
		t.Error("half a document was taken for one")
	}
	broken := errors.New("broken pipe")
	if err := yamldoc.Write(writer{broken}, []byte(`{}`)); !errors.Is(err, broken) {
		t.Errorf("got error %v", err)
	}
}

type writer struct{ err error }

func (w writer) Write([]byte) (int, error) { return 0, w.err }
