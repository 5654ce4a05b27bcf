package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"quoin.dev/api/version"
	"quoin.dev/server/logging"
)

const usageHead = `Usage:
  quoin [flags]                 start a member
  quoin [flags] --check-config  look for mistakes in the settings and what they refer to, and start nothing
  quoin --version               print the versions
  quoin --help                  print this text
  quoin completion SHELL        print a script that completes flags in bash, fish, powershell or zsh

Examples:
  # One member on localhost:2379, data in default.etcd.
  quoin

  # The first of three members; the other two differ in --name and the URLs.
  quoin --name a --data-dir /var/lib/quoin \
    --listen-peer-urls http://10.0.0.1:2380 --initial-advertise-peer-urls http://10.0.0.1:2380 \
    --listen-client-urls http://10.0.0.1:2379 --advertise-client-urls http://10.0.0.1:2379 \
    --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380

  # Join a cluster after "quoinctl member add d --peer-urls=http://10.0.0.4:2380".
  quoin --name d --initial-cluster-state existing --initial-cluster a=...,d=http://10.0.0.4:2380 ...

  # The same by variables, as in a container.
  ETCD_NAME=a ETCD_DATA_DIR=/data quoin

  # By a file, whose keys are the names of flags; is it right?
  quoin --config-file quoin.yaml --check-config

Every flag has a variable, ETCD_ and its name in capitals with _ for -. A flag and its variable together are an error. Beside
--config-file no other flag and no variable counts. Flags are those of etcd 3.7; those that etcd has not say so.
`

const usageFoot = `
Signals:
  SIGTERM, SIGINT    hand leadership over and end, within 1.5 s; a second one ends at once

Exit codes:
  0    ended in order, or removed from the cluster; nothing wrong was found by --check-config
  1    could not start or go on; the last line of the log says why
  2    a flag could not be read
`

// WriteHelp prints the usage, examples and every flag with its default, by section.
func WriteHelp(w io.Writer) {
	_, r := newDefault()
	fmt.Fprint(w, usageHead)
	for _, s := range r.sections {
		fmt.Fprintf(w, "\n%s:\n", s.title)
		for _, name := range s.names {
			f := r.fs.Lookup(name)
			fmt.Fprintf(w, "  --%s '%s'\n        %s\n", name, f.DefValue, f.Usage)
		}
	}
	fmt.Fprint(w, usageFoot)
}

// Explain writes what a failed Parse has to say and returns the exit code: 0 for --help and --version, 2 with the
// usage for a command line that cannot be read, 1 with one log line for settings that cannot be used.
func Explain(err error, stdout, stderr io.Writer) int {
	var usage *UsageError
	var completion *CompletionRequest
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		WriteHelp(stdout)
		return 0
	case errors.Is(err, ErrVersion):
		fmt.Fprint(stdout, version.Text())
		return 0
	case errors.As(err, &completion):
		return completion.answer(stdout, stderr)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s\n%s", usage.Error(), strings.SplitAfterN(usageHead, "\n\n", 2)[0])
		return 2
	}
	level := "warn" // as etcd does, so that log filters which look for the message keep finding it
	var conflict *ConflictError
	if errors.As(err, &conflict) {
		level = "fatal"
	}
	encoder := json.NewEncoder(stderr)
	encoder.SetEscapeHTML(false)
	encoder.Encode(struct { //nolint:errcheck // stderr is the last resort
		Level   string `json:"level"`
		Time    string `json:"ts"`
		Caller  string `json:"caller"`
		Message string `json:"msg"`
		Error   string `json:"error"`
	}{level, time.Now().Format(logging.TimeLayout), "config/help.go:1", "failed to verify flags", err.Error()})
	return 1
}
