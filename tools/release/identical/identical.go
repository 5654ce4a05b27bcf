// Package identical has several builders compile the same programs, and compares what they made.
package identical

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"quoin.dev/quoin/tools/release/compare"
	"quoin.dev/quoin/tools/release/spec"
	"quoin.dev/quoin/tools/release/sums"
)

// Builder compiles every program of a release for its platforms.
type Builder interface {
	// Name is the head of its column.
	Name() string
	// Build returns the directory that holds PLATFORM/PROGRAM for all of them; scratch is an empty one that it may take.
	Build(ctx context.Context, r *spec.Release, scratch string) (string, error)
}

// Row is what all builders made of one program for one platform.
type Row struct {
	Program  string
	Platform spec.Platform
	Sums     []string // SHA-256 in hexadecimal digits, in the order of the builders
	Files    []string
}

// Run lets each builder work in turn below dir, and returns a row for each program and platform.
func Run(ctx context.Context, r *spec.Release, builders []Builder, dir string, progress func(string)) ([]Row, error) {
	made := make([]string, len(builders))
	for i, b := range builders {
		progress(b.Name() + " …")
		scratch := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(scratch, 0o755); err != nil {
			return nil, err
		}
		var err error
		if made[i], err = b.Build(ctx, r, scratch); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
	}
	var rows []Row
	for _, p := range r.Platforms {
		for _, program := range r.Programs {
			row := Row{Program: program.Name, Platform: p}
			for _, dir := range made {
				file := filepath.Join(dir, p.Dash(), p.Binary(program.Name))
				sum, err := sums.Of(file)
				if err != nil {
					return nil, err
				}
				row.Sums, row.Files = append(row.Sums, sum), append(row.Files, file)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// Print writes one table: a line for each program and platform, and a column for each builder that has "=" where its sum
// is that of the first builder, else its own sum.
func Print(w io.Writer, builders []Builder, rows []Row) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heads := []string{"PROGRAM", "PLATFORM"}
	for i, b := range builders {
		head := b.Name()
		if i == 0 {
			head = "SHA-256 (" + head + ")"
		}
		heads = append(heads, head)
	}
	fmt.Fprintln(table, strings.Join(heads, "\t"))
	for _, row := range rows {
		cells := []string{row.Program, row.Platform.String(), row.Sums[0]}
		for _, sum := range row.Sums[1:] {
			if sum == row.Sums[0] {
				sum = "="
			}
			cells = append(cells, sum)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// Check returns an error that names the first byte of each program on which two builders do not agree.
func Check(builders []Builder, rows []Row) error {
	var differences []string
	for _, row := range rows {
		for i := range row.Sums[1:] {
			if row.Sums[i+1] == row.Sums[0] {
				continue
			}
			where, err := compare.Files(row.Files[0], row.Files[i+1])
			if err != nil {
				return err
			}
			differences = append(differences, fmt.Sprintf("%s for %s, %s (the release) and %s (the rebuild): %s",
				row.Program, row.Platform, builders[0].Name(), builders[i+1].Name(), where))
		}
	}
	if len(differences) > 0 {
		return fmt.Errorf("the builders do not agree:\n  %s", strings.Join(differences, "\n  "))
	}
	return nil
}
