package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

type flagSpec struct {
	Name, Type, Default, Shorthand string
	NoOptDefault                   string `json:"no_opt_default"`
}

// beyond are the flags that commands of etcdctl have here only.
var beyond = map[string][]string{
	"get":   {"tree", "depth", "separator"},
	"watch": {"since"},
}

// TestFlagsEqualEtcdctl holds commands and their groups, names, types, defaults and shorthands of flags against those of
// etcdctl 3.7.3.
func TestFlagsEqualEtcdctl(t *testing.T) {
	b, err := os.ReadFile("testdata/etcdctl_flags.json")
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Global   []flagSpec
		Commands map[string]struct {
			Use, Group string
			Flags      []flagSpec
		}
	}
	if err := json.Unmarshal(b, &spec); err != nil {
		t.Fatal(err)
	}
	a := &app{Process: Process{Name: "quoinctl"}}
	root := a.rootCommand()
	root.InitDefaultHelpCmd()
	compareFlags(t, "global", root.PersistentFlags(), spec.Global, nil)
	for name, want := range spec.Commands {
		cmd, rest, err := root.Find(strings.Fields(name))
		if err != nil || len(rest) > 0 {
			t.Errorf("there is no command %s: %v", name, err)
			continue
		}
		if cmd.Use != want.Use || cmd.GroupID != want.Group {
			t.Errorf("%s: use is %q in the group %q, want %q in %q", name, cmd.Use, cmd.GroupID, want.Use, want.Group)
		}
		compareFlags(t, name, cmd.LocalNonPersistentFlags(), localOf(cmd, want.Flags), beyond[name])
	}
}

// localOf leaves out the flags that a command hands down; they are looked up where they are inherited.
func localOf(cmd *cobra.Command, flags []flagSpec) []flagSpec {
	return slices.DeleteFunc(slices.Clone(flags), func(f flagSpec) bool {
		return cmd.PersistentFlags().Lookup(f.Name) != nil
	})
}

func compareFlags(t *testing.T, where string, have *pflag.FlagSet, want []flagSpec, beyond []string) {
	t.Helper()
	var got []flagSpec
	have.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !slices.Contains(beyond, f.Name) {
			got = append(got, flagSpec{f.Name, f.Value.Type(), f.DefValue, f.Shorthand, f.NoOptDefVal})
		}
	})
	byName := func(a, b flagSpec) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(got, byName)
	slices.SortFunc(want, byName)
	if !slices.Equal(got, want) {
		t.Errorf("%s: flags are\n%v\nwant\n%v", where, got, want)
	}
}

// Operators shorten commands. What is enough to name one of etcdctl's must name the same here, whatever there is beside it.
func TestAbbreviations(t *testing.T) {
	names := []string{"alarm", "auth", "check", "compaction", "completion", "defrag", "del", "downgrade", "elect", "endpoint", "get", "help", "lease",
		"lock", "make-mirror", "member", "move-leader", "options", "put", "role", "snapshot", "txn", "user", "version", "watch"}
	root := (&app{Process: Process{Name: "quoinctl"}}).rootCommand()
	root.InitDefaultHelpCmd()
	for _, name := range names {
		for length := 1; length <= len(name); length++ {
			short := name[:length]
			if slices.ContainsFunc(names, func(other string) bool { return other != name && strings.HasPrefix(other, short) }) {
				continue
			}
			if cmd, _, err := root.Find([]string{short}); err != nil || cmd.Name() != name {
				t.Errorf("%s is not %s: %v", short, name, err)
			}
		}
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	a := &app{Process: Process{Name: "quoinctl"}}
	each(a.rootCommand(), func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help is %q", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.Runnable() {
			return
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for example := range strings.Lines(cmd.Example) {
			checkExample(t, cmd, strings.TrimSpace(example))
		}
	})
}

// checkExample sees to it that an example is of its command and that its flags exist.
func checkExample(t *testing.T, cmd *cobra.Command, example string) {
	t.Helper()
	words := strings.Fields(example)
	if words[0] != "quoinctl" {
		t.Errorf("%s: the example %q does not begin with the program", cmd.CommandPath(), example)
		return
	}
	found, rest, err := cmd.Root().Find(words[1:])
	if err != nil || found != cmd {
		t.Errorf("%s: the example %q is of another command", cmd.CommandPath(), example)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: the example %q: %v", cmd.CommandPath(), example, err)
	}
}

func each(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		each(sub, visit)
	}
}

func runOffline(name string, args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	code = Run(context.Background(), Process{
		Name: name, Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errOut,
	})
	return code, out.String(), errOut.String()
}

func TestCommandsThatNeedNoServer(t *testing.T) {
	for _, c := range []struct {
		name, line, stdout, stderr string
	}{
		{"etcdctl", "version", "etcdctl version: 3.7.3\nAPI version: 3.7\n", ""},
		{"etcdctl", "version -w bad extra", "etcdctl version: 3.7.3\nAPI version: 3.7\n", ""},
		{"quoinctl", "version", "etcdctl version: 3.7.3\nAPI version: 3.7\nquoinctl version: ", ""},
		{"quoinctl", "completion bash", "# bash completion for quoinctl ", ""},
		{"quoinctl", "completion zsh", "#compdef quoinctl\n", ""},
		{"quoinctl", "completion fish", "# fish completion for quoinctl ", ""},
		{"quoinctl", "completion powershell", "# powershell completion for quoinctl ", ""},
		{"quoinctl", "options", "Every command takes these flags", ""},
		{"quoinctl", "", "Reads, writes", ""},
		{"quoinctl", "help", "Reads, writes", ""},
		{"quoinctl", "help get", "Reads a key", ""},
		{"quoinctl", "get --help", "Reads a key", ""},
		{"quoinctl", "endpoint", "Asks each endpoint", ""},
		{"quoinctl", "member frob", "Shows and changes the members", ""},
		{"quoinctl", "help frob", "", "Unknown help topic [`frob`]\nUsage:\n  quoinctl [command]\n"},
	} {
		code, stdout, stderr := runOffline(c.name, strings.Fields(c.line)...)
		if code != 0 || !strings.HasPrefix(stdout, c.stdout) || !strings.HasPrefix(stderr, c.stderr) ||
			c.stdout == "" != (stdout == "") || c.stderr == "" != (stderr == "") {
			t.Errorf("%s %s: code %d, stdout %.80q, stderr %.80q", c.name, c.line, code, stdout, stderr)
		}
	}
}
