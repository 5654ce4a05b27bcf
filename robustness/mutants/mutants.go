// Package mutants holds bugs that are planted in quoin on purpose, to find out whether the lab catches them.
//
// Each is a patch of a few lines against the source, NAME.patch, under a header that says what it breaks and who should notice:
//
//	Breaks: A follower answers a read before it has applied what the read has to see.
//	Scenario: kill-one
//	Check: linearizable
//	Seed: 1
//	Took: 14s
//	Unit-Tests: TestReadsWaitForTheIndex of src/server/member
//
// A lab that finds nothing says little by itself. One that finds all of these has shown that it looks in the right places; so whoever
// adds a check or a scenario plants the bug that it is meant for. MUTANTS.md is the list with what the lab said.
package mutants

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"net/textproto"
	"path"
	"strconv"
	"strings"
	"time"
)

// Mutant is one planted bug.
type Mutant struct {
	Name string
	// Breaks says in a sentence what is wrong.
	Breaks string
	// Scenario is the one that shows it, with Seed; Check is the one that finds it.
	Scenario, Check string
	Seed            uint64
	// Took is how long the lab needed, from the start of the load to the first finding.
	Took time.Duration
	// UnitTests says which tests beside the source find it as well, or "none".
	UnitTests string

	patch []byte
}

//go:embed *.patch
var patches embed.FS

// All returns the mutants by name.
func All() ([]Mutant, error) {
	files, err := fs.Glob(patches, "*.patch")
	if err != nil {
		return nil, err
	}
	var all []Mutant
	for _, file := range files {
		data, err := patches.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(path.Base(file), ".patch"), data)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Find returns the mutant with a name.
func Find(name string) (Mutant, error) {
	all, err := All()
	if err != nil {
		return Mutant{}, err
	}
	var names []string
	for _, m := range all {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Mutant{}, fmt.Errorf("there is no mutant %q, but %s", name, strings.Join(names, ", "))
}

// parse reads a patch file: fields as in a mail, an empty line, and a unified diff. Every field has to be there, and no other.
func parse(name string, data []byte) (Mutant, error) {
	header, diff, found := bytes.Cut(data, []byte("\n\n"))
	if !found {
		return Mutant{}, fmt.Errorf("mutants: %s.patch has no empty line behind its header", name)
	}
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(header, "\n\n"...)))).ReadMIMEHeader()
	if err != nil {
		return Mutant{}, fmt.Errorf("mutants: header of %s.patch: %w", name, err)
	}
	m := Mutant{Name: name, patch: diff}
	texts := map[string]*string{"Breaks": &m.Breaks, "Scenario": &m.Scenario, "Check": &m.Check, "Unit-Tests": &m.UnitTests}
	for key, text := range texts {
		if *text = fields.Get(key); *text == "" {
			return Mutant{}, fmt.Errorf("mutants: header of %s.patch: %s is missing", name, key)
		}
	}
	if m.Seed, err = strconv.ParseUint(fields.Get("Seed"), 10, 64); err != nil {
		return Mutant{}, fmt.Errorf("mutants: header of %s.patch: Seed: %w", name, err)
	}
	if m.Took, err = time.ParseDuration(fields.Get("Took")); err != nil {
		return Mutant{}, fmt.Errorf("mutants: header of %s.patch: Took: %w", name, err)
	}
	if known := len(texts) + 2; len(fields) != known {
		return Mutant{}, fmt.Errorf("mutants: header of %s.patch: it has %d fields, not %d", name, len(fields), known)
	}
	return m, nil
}
