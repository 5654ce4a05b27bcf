package command

import (
	"github.com/spf13/cobra"

	"quoin.dev/utl/migrate"
)

func (a *app) migrateCommand() *cobra.Command {
	o := migrate.Options{}
	var target string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Makes the data directory of a member that does not run one of another version",
		Long: "Changes the storage version of a data directory, so that a member of that version starts on it. It is needed only when\n" +
			"`quoinctl downgrade` could not be used, which does the same in a cluster that runs.\n\n" +
			"The way down is refused if the log holds entries that the version does not understand. --force goes it all the same.",
		Example: examples(a.Name, "migrate --data-dir /var/lib/etcd --target-version 3.6", "migrate --data-dir /var/lib/etcd --target-version 3.7"),
		RunE: func(*cobra.Command, []string) error {
			var err error
			if o.Target, err = migrate.ParseTarget(target); err != nil {
				return exit(badArguments, err)
			}
			o.File = a.file()
			return failed(migrate.Run(o))
		},
	}
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "data directory of the member; required")
	cmd.Flags().StringVar(&target, "target-version", "", "version to change to, 3.5 to 3.7; required")
	cmd.Flags().BoolVar(&o.Force, "force", false, "set the version whatever the log holds; a member may fail on it")
	required(cmd, "data-dir")
	required(cmd, "target-version")
	return cmd
}
