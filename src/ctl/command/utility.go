package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"quoin.dev/api/version"
)

// etcdctlName is the name under which the program is a stand-in for etcdctl to the letter.
const etcdctlName = "etcdctl"

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		GroupID: groupUtility,
		Short:   "Prints the versions of the API and of this program",
		Example: examples(a.Name, "version"),
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(a.Stdout, "etcdctl version: %s\n", version.API)
			fmt.Fprintf(a.Stdout, "API version: %s\n", version.API[:strings.LastIndexByte(version.API, '.')])
			if a.Name != etcdctlName {
				fmt.Fprintf(a.Stdout, "quoinctl version: %s\n", version.Product)
			}
		},
	}
}

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		GroupID: groupUtility,
		Short:   "Shows how a command is used",
		Example: examples(a.Name, "help", "help endpoint status"),
		RunE: func(cmd *cobra.Command, args []string) error {
			about, _, err := cmd.Root().Find(args)
			if about == nil || err != nil {
				fmt.Fprintf(a.Stderr, "Unknown help topic %#q\n%s", args, cmd.Root().UsageString())
				return nil
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

func (a *app) completionCommand() *cobra.Command {
	args := cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)
	return &cobra.Command{
		Use:     "completion [bash|zsh|fish|powershell]",
		GroupID: groupUtility,
		Short:   "Prints a script that completes commands and flags in a shell",
		Example: examples(a.Name,
			"completion bash > /etc/bash_completion.d/"+a.Name,
			"completion zsh > \"${fpath[1]}/_"+a.Name+"\"",
			"completion fish > ~/.config/fish/completions/"+a.Name+".fish",
			"completion powershell > "+a.Name+".ps1"),
		DisableFlagsInUseLine: true,
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		Args: func(cmd *cobra.Command, names []string) error {
			if err := args(cmd, names); err != nil {
				return &usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			switch root := cmd.Root(); args[0] {
			case "bash":
				err = root.GenBashCompletion(a.Stdout)
			case "zsh":
				err = root.GenZshCompletion(a.Stdout)
			case "fish":
				err = root.GenFishCompletion(a.Stdout, true)
			case "powershell":
				err = root.GenPowerShellCompletionWithDesc(a.Stdout)
			}
			return printed(err)
		},
	}
}

func (a *app) optionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "options",
		GroupID: groupUtility,
		Short:   "Lists the flags that every command takes",
		Example: examples(a.Name, "options"),
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(a.Stdout, "Every command takes these flags; a variable ETCDCTL_<NAME> sets one as well:\n\n%s",
				visible(cmd.InheritedFlags()).FlagUsages())
		},
	}
}

// examples puts the program before each command line.
func examples(program string, lines ...string) string {
	for i, line := range lines {
		lines[i] = "  " + program + " " + line
	}
	return strings.Join(lines, "\n")
}
