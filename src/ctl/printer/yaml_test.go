package printer_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"

	"quoin.dev/ctl/printer"
)

// In YAML a response has the fields and the values that it has in JSON.
func TestYAMLIsTheJSON(t *testing.T) {
	for _, response := range responses {
		for _, hex := range []bool{false, true} {
			var texts [2]bytes.Buffer
			for i, format := range []string{"json", "yaml"} {
				p, err := printer.New(format, &texts[i], printer.Options{Hex: hex})
				if err != nil {
					t.Fatal(err)
				}
				if err := show(p, response); err != nil {
					t.Fatal(err)
				}
			}
			// Numbers of 64 bits do not survive as floating point, so that both are read by the same reader.
			var want, got any
			if err := yaml.Unmarshal(texts[0].Bytes(), &want); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(texts[1].Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: error %v, printed\n%s\nfor\n%s", response, err, texts[1].String(), texts[0].String())
			}
			if !bytes.HasPrefix(texts[1].Bytes(), []byte("---\n")) || json.Valid(texts[1].Bytes()) {
				t.Errorf("%s: printed\n%s", response, texts[1].String())
			}
		}
	}
}
