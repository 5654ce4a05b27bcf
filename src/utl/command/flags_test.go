package command

import (
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

// TestFlagsEqualEtcdutl holds commands, names, types, defaults and shorthands against those of etcdutl 3.7.3.
func TestFlagsEqualEtcdutl(t *testing.T) {
	b, err := os.ReadFile("testdata/etcdutl_flags.json")
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Global   []flagSpec
		Commands map[string]struct {
			Use   string
			Flags []flagSpec
		}
	}
	if err := json.Unmarshal(b, &spec); err != nil {
		t.Fatal(err)
	}
	root := (&app{Process: Process{Name: "quoinutl"}}).rootCommand()
	root.InitDefaultHelpCmd()
	compareFlags(t, "global", root.PersistentFlags(), spec.Global)
	for name, want := range spec.Commands {
		cmd, rest, err := root.Find(strings.Fields(name))
		if err != nil || len(rest) > 0 {
			t.Errorf("there is no command %s: %v", name, err)
			continue
		}
		if cmd.Use != want.Use {
			t.Errorf("%s: use is %q, want %q", name, cmd.Use, want.Use)
		}
		compareFlags(t, name, cmd.LocalNonPersistentFlags(), want.Flags)
	}
}

func compareFlags(t *testing.T, where string, have *pflag.FlagSet, want []flagSpec) {
	t.Helper()
	var got []flagSpec
	have.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
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

// Operators shorten commands. What is enough to name one of etcdutl's must name the same here, whatever there is beside it.
func TestAbbreviations(t *testing.T) {
	names := []string{"completion", "defrag", "hashkv", "help", "migrate", "snapshot", "version"}
	root := (&app{Process: Process{Name: "quoinutl"}}).rootCommand()
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
	root := (&app{Process: Process{Name: "quoinutl"}}).rootCommand()
	each(root, func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help is %q", cmd.CommandPath(), cmd.Short)
		}
		if cmd.Runnable() && cmd.Example == "" {
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
	found, rest, err := cmd.Root().Find(words[1:])
	if err != nil || found != cmd || words[0] != "quoinutl" {
		t.Errorf("%s: the example %q is of something else", cmd.CommandPath(), example)
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
