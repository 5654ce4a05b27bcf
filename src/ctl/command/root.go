package command

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of the command overview; cobra refuses a group without commands in it, so one comes with its first command.
const (
	groupKV          = "kv"
	groupConcurrency = "concurrency"
	groupMaintenance = "cluster maintenance"
	groupAuth        = "authentication"
	groupUtility     = "utility"
)

func init() {
	// Operators type `quoinctl end stat`; etcdctl taught them.
	cobra.EnablePrefixMatching = true
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   a.Name,
		Short: "Reads, writes and looks after a cluster that speaks the etcd v3 API",
		Long: "Reads, writes and looks after a cluster that speaks the etcd v3 API.\n\n" +
			"Every command takes the global flags that `" + a.Name + " options` lists; each of them can also be set by a\n" +
			"variable ETCDCTL_<NAME>, for instance ETCDCTL_ENDPOINTS.",
		SuggestFor:        []string{"etcdctl", "quoinctl"},
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddGroup(
		&cobra.Group{ID: groupKV, Title: "Key-value commands"},
		&cobra.Group{ID: groupConcurrency, Title: "Concurrency commands"},
		&cobra.Group{ID: groupMaintenance, Title: "Cluster maintenance commands"},
		&cobra.Group{ID: groupAuth, Title: "Authentication commands"},
		&cobra.Group{ID: groupUtility, Title: "Utility commands"},
	)
	root.SetHelpCommand(a.helpCommand())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })

	// They would drown the flags of the command in every usage text; `options` shows them.
	a.flags.register(root.PersistentFlags())
	_ = root.RegisterFlagCompletionFunc("write-out", cobra.FixedCompletions( // fails for flags that do not exist
		[]cobra.Completion{"fields", "json", "protobuf", "simple", "table", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	root.InitDefaultHelpFlag()
	root.Flags().Lookup("help").Hidden = true
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { f.Hidden = true })
	root.SetUsageTemplate(root.UsageTemplate() + "{{if not .HasAvailableSubCommands}}\n{{end}}" +
		"Use \"" + a.Name + " options\" to see the flags that every command takes.\n")

	root.AddCommand(
		a.putCommand(), a.getCommand(), a.delCommand(), a.txnCommand(), a.compactionCommand(), a.diffCommand(),
		a.watchCommand(), a.leaseCommand(), a.lockCommand(), a.electCommand(),
		a.clusterStatusCommand(), a.endpointCommand(), a.memberCommand(), a.moveLeaderCommand(), a.alarmCommand(), a.defragCommand(),
		a.snapshotCommand(), a.downgradeCommand(),
		a.authCommand(), a.userCommand(), a.roleCommand(),
		a.makeMirrorCommand(), a.checkCommand(),
		a.versionCommand(), a.completionCommand(), a.optionsCommand(),
	)
	return root
}
