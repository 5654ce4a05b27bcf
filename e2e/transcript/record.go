// Package transcript replays recorded runs of etcdctl against a server and reports where a program answers differently.
package transcript

import (
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Record is one run of the program, as it was captured.
type Record struct {
	Argv  []string          `json:"argv"`
	Env   map[string]string `json:"env"`
	Stdin string            `json:"stdin"`

	Exit      int    `json:"exit"` // -N: ended by signal N
	Stdout    string `json:"stdout"`
	StdoutHex string `json:"stdout_hex"` // instead of Stdout, for bytes that are no text
	Stderr    string `json:"stderr"`

	// HelpTextRemoved says that the sentences of a usage text were taken out of the capture; its form is left.
	HelpTextRemoved bool `json:"help_text_removed"`
	// StdoutLen is set when the capture holds only the first line of an output of that many bytes.
	StdoutLen int    `json:"stdout_len"`
	Note      string `json:"note"`

	// Signal ended the program, which would not have ended by itself; TimedOut tells the same of one that was killed.
	Signal   string `json:"signal"`
	TimedOut bool   `json:"timed_out"`
}

//go:embed testdata/*.json
var captures embed.FS

// Load returns the records of a file by its name without the extension.
func Load(name string) ([]Record, error) {
	b, err := captures.ReadFile("testdata/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("load transcript: %w", err)
	}
	var records []Record
	if err := json.Unmarshal(b, &records); err != nil {
		return nil, fmt.Errorf("load transcript %s: %w", name, err)
	}
	return records, nil
}

// repeated is how a long stdin is written down: "x * 2000000".
var repeated = regexp.MustCompile(`^(.) \* (\d+)$`)

func (r Record) stdin() string {
	if m := repeated.FindStringSubmatch(r.Stdin); m != nil {
		count, _ := strconv.Atoi(m[2]) // the pattern has digits only
		return strings.Repeat(m[1], count)
	}
	return r.Stdin
}

func (r Record) stdout() (string, error) {
	if r.StdoutHex == "" {
		return r.Stdout, nil
	}
	b, err := hex.DecodeString(r.StdoutHex)
	return string(b), err
}

// endpoint returns the address of --endpoints, or "" when the record names none.
func (r Record) endpoint() string {
	for i, arg := range r.Argv {
		if arg == "--endpoints" && i+1 < len(r.Argv) {
			return r.Argv[i+1]
		}
	}
	return ""
}

// isProtobuf reports whether stdout is an encoded response, or several.
func (r Record) isProtobuf() bool {
	i := slices.Index(r.Argv, "protobuf")
	return i > 0 && r.Argv[i-1] == "-w" && r.StdoutHex != ""
}

// endless reports whether the program had to be ended.
func (r Record) endless() bool { return r.Signal != "" || r.TimedOut }

// follows reports whether the program watches for as long as it runs.
func (r Record) follows(sc script) bool {
	return slices.Contains(r.Argv, "watch") && (r.endless() || len(sc.during) > 0)
}

// debugs reports whether the program was asked to write its settings and what gRPC does to stderr.
func (r Record) debugs() bool {
	return slices.Contains(r.Argv, "--debug") || r.Env["ETCDCTL_DEBUG"] == "true"
}
