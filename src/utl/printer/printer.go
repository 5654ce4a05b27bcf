// Package printer writes what the tools found out in the formats of --write-out.
package printer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	"quoin.dev/pkg/yamldoc"
)

// Formats lists the values that --write-out takes, sorted: those of etcdutl, and yaml.
var Formats = []string{"fields", "json", "protobuf", "simple", "table", "yaml"}

// ErrUnknownFormat is returned by New for a format that is not in Formats.
var ErrUnknownFormat = errors.New("unsupported output format")

// ErrProtobuf is returned by New for the one format that nothing here has.
var ErrProtobuf = errors.New("protobuf not supported as output format")

// Field is one value: its name in each format, and how the formats for people write it, if not as it is.
type Field struct {
	Name  string // in the fields format
	Title string // of the column in a table
	Value any    // in the fields format, and in the others if they have no Text
	Text  string // in simple and table
}

// String is the value as simple and table write it.
func (f Field) String() string {
	if f.Text != "" {
		return f.Text
	}
	return fmt.Sprint(f.Value)
}

// Record is something with a JSON form that has fields.
type Record interface{ Fields() []Field }

// Printer writes records in one format.
type Printer struct {
	format string
	out    io.Writer
}

// New returns the printer for a format, ErrUnknownFormat or ErrProtobuf.
func New(format string, w io.Writer) (*Printer, error) {
	switch {
	case !slices.Contains(Formats, format):
		return nil, ErrUnknownFormat
	case format == "protobuf":
		return nil, ErrProtobuf
	}
	return &Printer{format, w}, nil
}

// Print writes one record.
func (p *Printer) Print(r Record) error { return p.PrintAll([]Record{r}) }

// PrintAll writes records of one kind: a table has a line for each.
func (p *Printer) PrintAll(records []Record) error {
	out := bufio.NewWriter(p.out)
	var err error
	switch p.format {
	case "json", "yaml":
		for _, r := range records {
			if err = WriteDocument(out, p.format, r); err != nil {
				return err
			}
		}
	case "fields":
		for _, r := range records {
			for _, f := range r.Fields() {
				fmt.Fprintf(out, "%q : %v\n", f.Name, f.Value)
			}
		}
	case "table":
		err = drawTable(out, records)
	default:
		for _, r := range records {
			fmt.Fprintln(out, strings.Join(texts(r), ", "))
		}
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func texts(r Record) (out []string) {
	for _, f := range r.Fields() {
		out = append(out, f.String())
	}
	return out
}

// WriteDocument writes a value as one line of JSON, or with the format yaml as one document of YAML.
func WriteDocument(out io.Writer, format string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	if format == "yaml" {
		return yamldoc.Write(out, b)
	}
	_, err = out.Write(append(b, '\n'))
	return err
}

func drawTable(out io.Writer, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	var header []string
	for _, f := range records[0].Fields() {
		header = append(header, f.Title)
	}
	box := tablewriter.NewTable(out, tablewriter.WithRowAlignment(tw.AlignRight))
	box.Header(header)
	for _, r := range records {
		if err := box.Append(texts(r)); err != nil {
			return fmt.Errorf("fill the table: %w", err)
		}
	}
	if err := box.Render(); err != nil {
		return fmt.Errorf("draw the table: %w", err)
	}
	return nil
}
