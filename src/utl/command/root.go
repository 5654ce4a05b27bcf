package command

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func init() {
	// Operators type `quoinutl snap stat`; etcdutl taught them.
	cobra.EnablePrefixMatching = true
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   a.Name,
		Short: "Works on the storage files of members that do not run",
		Long: "Works on the storage files of members that do not run: snapshots, databases, logs. It never uses the network.\n\n" +
			"Files of etcd 3.5 to 3.7 are read and written as well as those of quoin.",
		SuggestFor:        []string{"etcdutl", "quoinutl"},
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetHelpCommand(a.helpCommand())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.PersistentFlags().StringVarP(&a.writeOut, "write-out", "w", "simple", "output format: fields, json, protobuf, simple, table or yaml")
	root.PersistentFlags().DurationVar(&a.lockWait, "timeout", 10*time.Second,
		"longest wait for a process that has the file open, 0 for no end")
	root.AddCommand(
		a.snapshotCommand(), a.hashKVCommand(), a.defragCommand(), a.migrateCommand(),
		a.bboltCommand(), a.walCommand(),
		a.versionCommand(), a.completionCommand(),
	)
	return root
}

// examples puts the program before each command line.
func examples(program string, lines ...string) string {
	for i, line := range lines {
		lines[i] = "  " + program + " " + line
	}
	return strings.Join(lines, "\n")
}
