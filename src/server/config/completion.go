package config

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// completionCommand is the one word that the program takes instead of flags.
const completionCommand = "completion"

// CompletionRequest is returned for "completion SHELL": print the script for that shell and stop.
type CompletionRequest struct{ Args []string }

func (r *CompletionRequest) Error() string { return "completion requested" }

// answer prints the script and returns the exit code.
func (r *CompletionRequest) answer(stdout, stderr io.Writer) int {
	shell := strings.Join(r.Args, " ")
	if err := WriteCompletion(stdout, strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"), shell); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// completers write the script of a shell for a program of some name.
var completers = map[string]func(w io.Writer, program string, flags []completable){
	"bash": completeBash, "fish": completeFish, "powershell": completePowerShell, "zsh": completeZsh,
}

// WriteCompletion writes the script that lets a shell complete the flags of the program, which is called by the given name.
func WriteCompletion(w io.Writer, program, shell string) error {
	complete, ok := completers[shell]
	if !ok {
		return fmt.Errorf("there is no completion for %q: choose one of %s", shell, strings.Join(slices.Sorted(maps.Keys(completers)), ", "))
	}
	complete(w, program, completables())
	return nil
}

// completable is what a shell may know about a flag.
type completable struct {
	name, help string
	bool       bool // takes no value
	dir, file  bool // the value is a path
	values     []string
}

// knownValues are those of flags that take one out of few.
var knownValues = map[string][]string{
	"auto-compaction-mode":        {CompactionModePeriodic, CompactionModeRevision},
	"backend-bbolt-freelist-type": {"array", "map"},
	"initial-cluster-state":       {ClusterStateNew, ClusterStateExisting},
	"log-format":                  {"json", "console"},
	"log-level":                   {"debug", "info", "warn", "error", "panic", "fatal"},
	"log-outputs":                 {"stderr", "stdout", "systemd/journal"},
	"metrics":                     {"basic", "extensive"},
	"tls-max-version":             {"TLS1.2", "TLS1.3"},
	"tls-min-version":             {"TLS1.2", "TLS1.3"},
}

// completables are all flags but the retired ones, by name.
func completables() []completable {
	_, r := newDefault()
	new(actions).register(r.fs)
	var list []completable
	r.fs.VisitAll(func(f *flag.Flag) {
		if slices.Contains(retiredFlags, f.Name) {
			return
		}
		b, isBool := f.Value.(interface{ IsBoolFlag() bool })
		help, _, _ := strings.Cut(f.Usage, ". ")
		list = append(list, completable{
			name: f.Name, help: strings.TrimSuffix(help, "."), bool: isBool && b.IsBoolFlag(), values: knownValues[f.Name],
			dir:  strings.HasSuffix(f.Name, "-dir"),
			file: strings.HasSuffix(f.Name, "-file") || slices.Contains([]string{"discovery-cert", "discovery-key", "discovery-cacert"}, f.Name),
		})
	})
	slices.SortFunc(list, func(a, b completable) int { return cmp.Compare(a.name, b.name) })
	return list
}

func namesOf(flags []completable, which func(completable) bool) []string {
	var names []string
	for _, f := range flags {
		if which(f) {
			names = append(names, "--"+f.name)
		}
	}
	return names
}

func completeBash(w io.Writer, program string, flags []completable) {
	fmt.Fprintf(w, `# bash completion for %[1]s; load it with: source <(%[1]s completion bash)
_%[1]s() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    # bash takes --flag=value apart at the sign.
    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
    case $prev in
    %[2]s) compopt -o filenames; COMPREPLY=($(compgen -d -- "$cur")); return ;;
    %[3]s) compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
`, program,
		strings.Join(namesOf(flags, func(f completable) bool { return f.dir }), "|"),
		strings.Join(namesOf(flags, func(f completable) bool { return f.file }), "|"))
	for _, f := range flags {
		if len(f.values) > 0 {
			fmt.Fprintf(w, "    --%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", f.name, strings.Join(f.values, " "))
		}
	}
	fmt.Fprintf(w, `    %[2]s) return ;;
    esac
    COMPREPLY=($(compgen -W '%[3]s' -- "$cur"))
}
complete -F _%[1]s %[1]s
`, program,
		strings.Join(namesOf(flags, func(f completable) bool { return !f.bool && !f.dir && !f.file && len(f.values) == 0 }), "|"),
		strings.Join(namesOf(flags, func(completable) bool { return true }), " "))
}

func completeZsh(w io.Writer, program string, flags []completable) {
	quote := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`)
	fmt.Fprintf(w, "#compdef %[1]s\n# zsh completion for %[1]s; put it into a directory of $fpath as _%[1]s\n_arguments \\\n", program)
	for _, f := range flags {
		kind := ":value:"
		switch {
		case f.bool:
			kind = ""
		case f.dir:
			kind = ":directory:_files -/"
		case f.file:
			kind = ":file:_files"
		case len(f.values) > 0:
			kind = ":value:(" + strings.Join(f.values, " ") + ")"
		}
		equals := "="
		if f.bool {
			equals = ""
		}
		fmt.Fprintf(w, "  '--%s%s[%s]%s' \\\n", f.name, equals, quote.Replace(f.help), kind)
	}
	fmt.Fprintf(w, "  && return 0\n")
}

func completeFish(w io.Writer, program string, flags []completable) {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	fmt.Fprintf(w, "# fish completion for %[1]s; load it with: %[1]s completion fish | source\ncomplete -c %[1]s -f\n", program)
	for _, f := range flags {
		kind := " -x"
		switch {
		case f.bool:
			kind = ""
		case f.dir:
			kind = " -x -a '(__fish_complete_directories)'"
		case f.file:
			kind = " -r -F"
		case len(f.values) > 0:
			kind = " -x -a '" + strings.Join(f.values, " ") + "'"
		}
		fmt.Fprintf(w, "complete -c %s -l %s%s -d '%s'\n", program, f.name, kind, quote.Replace(f.help))
	}
}

func completePowerShell(w io.Writer, program string, flags []completable) {
	quote := strings.NewReplacer("'", "''")
	fmt.Fprintf(w, `# PowerShell completion for %[1]s; load it with: %[1]s completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName '%[1]s' -ScriptBlock {
    param($word)
    @(
`, program)
	for _, f := range flags {
		fmt.Fprintf(w, "        @('--%s', '%s')\n", f.name, quote.Replace(f.help))
	}
	fmt.Fprint(w, `    ) | Where-Object { $_[0] -like "$word*" } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterName', $_[1])
    }
}
`)
}
