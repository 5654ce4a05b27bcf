package command

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"quoin.dev/storage/backend"
	"quoin.dev/utl/inspect"
	"quoin.dev/utl/printer"
	"quoin.dev/utl/storefile"
)

func (a *app) bboltCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bbolt <subcommand>",
		Short: "Looks into a database file or a snapshot",
		Long:  "Looks into a database file, a snapshot, or the database of a data directory. Nothing is written.",
	}
	cmd.AddCommand(a.bboltCheckCommand(), a.bboltBucketsCommand(), a.bboltDumpCommand())
	return cmd
}

func (a *app) bboltCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check <filename>",
		Short: "Checks every page and every row of a database",
		Long: "Checks that the pages of a database make one whole tree in order, and that every row is one that a member takes; of\n" +
			"a snapshot also its checksum. It ends with exit code 1 at the first fault, else it says what the database holds.",
		Example: examples(a.Name, "bbolt check /var/lib/etcd", "bbolt check backup.db -w json"),
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.printer()
			if err != nil {
				return err
			}
			file := storefile.Find(args[0])
			summary, err := storefile.CheckFile(file, a.file(), a.progress("reading", fileBytes(file)))
			if err != nil {
				return failed(err)
			}
			if a.writeOut == "simple" { // a line of fourteen numbers tells nothing
				for _, f := range summary.Fields() {
					if _, err := fmt.Fprintf(a.Stdout, "%-17s %s\n", f.Title, f); err != nil {
						return printed(err)
					}
				}
				return nil
			}
			return printed(p.Print(summary))
		},
	}
}

func (a *app) bboltBucketsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "buckets <filename>",
		Short:   "Lists the buckets of a database with the number of their rows",
		Example: examples(a.Name, "bbolt buckets backup.db", "bbolt buckets /var/lib/etcd -w table"),
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.printer()
			if err != nil {
				return err
			}
			b, err := storefile.Read(storefile.Find(args[0]), a.file())
			if err != nil {
				return failed(err)
			}
			defer b.Close()
			buckets, err := storefile.Buckets(b)
			if err != nil {
				return failed(err)
			}
			var records []printer.Record
			for _, bucket := range buckets {
				records = append(records, bucket)
			}
			return printed(p.PrintAll(records))
		},
	}
}

func (a *app) bboltDumpCommand() *cobra.Command {
	var style inspect.Style
	var from int64
	var limit int
	cmd := &cobra.Command{
		Use:   "dump <filename> [bucket...]",
		Short: "Lists the rows of a database, decoded",
		Long:  "Lists the rows of all buckets, or of some, decoded as far as they are known. " + noSecrets,
		Example: examples(a.Name, "bbolt dump backup.db meta members", "bbolt dump /var/lib/etcd key --from 1000 --limit 20",
			"bbolt dump backup.db key --value-bytes 0 -w json"),
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := a.list()
			if err != nil {
				return err
			}
			b, err := storefile.Read(storefile.Find(args[0]), a.file())
			if err != nil {
				return failed(err)
			}
			defer b.Close()
			shown := 0
			first := backend.AppendRevisionKey(nil, backend.Revision{Main: from}, false)
			return l.end(b.Walk(func(bucket, key, value []byte) error {
				switch {
				case a.ctx.Err() != nil || limit > 0 && shown == limit:
					return errEnough
				case key == nil || len(args) > 1 && !slices.Contains(args[1:], string(bucket)):
					return nil
				case from > 0 && string(bucket) == backend.Key.Name() && string(key) < string(first):
					return nil
				}
				shown++
				return l.add(style.Row(string(bucket), key, value))
			}))
		},
	}
	styleFlags(cmd, &style)
	cmd.Flags().Int64Var(&from, "from", 0, "first revision to show of bucket key")
	cmd.Flags().IntVar(&limit, "limit", 0, "how many rows to show (0: all)")
	return cmd
}
