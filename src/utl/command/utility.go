package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"quoin.dev/api/version"
)

// etcdutlName is the name under which the program is a stand-in for etcdutl to the letter.
const etcdutlName = "etcdutl"

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Prints the versions of the API and of this program",
		Example: examples(a.Name, "version"),
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(a.Stdout, "etcdutl version: %s\n", version.API)
			fmt.Fprintf(a.Stdout, "API version: %s\n", version.API[:strings.LastIndexByte(version.API, '.')])
			if a.Name != etcdutlName {
				fmt.Fprintf(a.Stdout, "quoinutl version: %s\n", version.Product)
			}
		},
	}
}

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		Short:   "Shows how a command is used",
		Example: examples(a.Name, "help", "help snapshot restore"),
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
	return &cobra.Command{
		Use:   "completion [bash|zsh|fish|powershell]",
		Short: "Prints a script that completes commands and flags in a shell",
		Example: examples(a.Name,
			"completion bash > /etc/bash_completion.d/"+a.Name,
			"completion zsh > \"${fpath[1]}/_"+a.Name+"\"",
			"completion fish > ~/.config/fish/completions/"+a.Name+".fish",
			"completion powershell > "+a.Name+".ps1"),
		DisableFlagsInUseLine: true,
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
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
