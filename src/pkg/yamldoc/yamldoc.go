// Package yamldoc writes JSON documents as YAML: the same names in the same order.
package yamldoc

import (
	"bytes"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

const indentSpaces = 2

// Write writes each document of a JSON text behind a line `---`, by which a reader of a stream tells them apart. Numbers keep
// all their digits. It holds one document in memory.
func Write(w io.Writer, text []byte) error {
	for line := range bytes.Lines(text) {
		if err := write(w, line); err != nil {
			return err
		}
	}
	return nil
}

// write takes a document without line breaks between its tokens. JSON is YAML in another style, so that only the style changes.
func write(w io.Writer, document []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return fmt.Errorf("read a JSON document: %w", err)
	}
	if err := restyle(&root); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "---\n"); err != nil {
		return err
	}
	out := yaml.NewEncoder(w)
	out.SetIndent(indentSpaces)
	if err := out.Encode(&root); err != nil {
		return err
	}
	return out.Close()
}

// mergeKey is a word that readers obey as a key.
const mergeKey = "<<"

// restyle takes the braces from what is not empty, and the quotes from strings that are strings without them to every reader:
// the encoder itself knows words like `no` and `on`, which are booleans to some.
func restyle(n *yaml.Node) error {
	for _, child := range n.Content {
		if err := restyle(child); err != nil {
			return err
		}
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		if len(n.Content) > 0 {
			n.Style = 0
		}
	case n.Style&yaml.DoubleQuotedStyle != 0 && n.Value != mergeKey:
		b, err := yaml.Marshal(n.Value)
		if err != nil {
			return err
		}
		if b[0] != '"' && b[0] != '\'' {
			n.Style = 0
		}
	}
	return nil
}
