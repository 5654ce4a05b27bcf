package command

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"quoin.dev/utl/restore"
	"quoin.dev/utl/storefile"
)

func (a *app) snapshotCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot <subcommand>",
		Short: "Looks at a snapshot, or makes a data directory of it",
	}
	cmd.AddCommand(a.statusCommand(), a.restoreCommand())
	return cmd
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status <filename>",
		Short: "Shows what a snapshot or a database file holds",
		Long: "Shows hash, revision, number of keys, size and storage version of a snapshot or a database file.\n\n" +
			"The hash covers everything in the file: two files with one hash hold the same.",
		Example: examples(a.Name, "snapshot status backup.db", "snapshot status backup.db -w table", "snapshot status default.etcd -w json"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("snapshot status requires exactly one argument")
			}
			p, err := a.printer()
			if err != nil {
				return err
			}
			file := storefile.Find(args[0])
			status, err := storefile.ReadStatus(file, a.file(), a.progress("reading", fileBytes(file)))
			if err != nil {
				return failed(err)
			}
			return printed(p.Print(status))
		},
	}
}

// fileBytes is for the progress only.
func fileBytes(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (a *app) restoreCommand() *cobra.Command {
	o := restore.Options{}
	cmd := &cobra.Command{
		Use:   "restore <filename> --data-dir {output dir} [options]",
		Short: "Makes the data directory of a founding member out of a snapshot",
		Long: "Makes the data directory of a founding member of a new cluster out of a snapshot. Run it for every member, with the\n" +
			"same snapshot, then start them with the same --name, --initial-cluster, --initial-cluster-token and\n" +
			"--initial-advertise-peer-urls.\n\n" +
			"If clients have seen later revisions than the snapshot holds, as informers and controllers of Kubernetes have, give\n" +
			"--bump-revision with more than were lost and --mark-compacted: then they notice that they have to read anew, and no\n" +
			"revision comes twice with another content. A billion covers a week at 1500 writes a second.",
		Example: examples(a.Name,
			"snapshot restore backup.db --data-dir /var/lib/etcd",
			"snapshot restore backup.db --data-dir /var/lib/etcd --bump-revision 1000000000 --mark-compacted",
			"snapshot restore backup.db --data-dir /var/lib/etcd --name a --initial-cluster a=https://10.0.0.1:2380,b=https://10.0.0.2:2380 "+
				"--initial-advertise-peer-urls https://10.0.0.1:2380 --initial-cluster-token after-the-fire",
			"snapshot restore old.etcd/member/snap/db --skip-hash-check --data-dir new.etcd"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("snapshot restore requires exactly one argument")
			}
			o.Snapshot, o.Logger, o.Progress = args[0], a.logger, a.progress
			ctx, stop := a.interruptible()
			defer stop()
			err := restore.Run(ctx, o)
			if errors.Is(err, restore.ErrBump) {
				return exit(badArguments, err)
			}
			return failed(err)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.DataDir, "data-dir", "", "directory to make (\"\": NAME.etcd)")
	fs.StringVar(&o.WALDir, "wal-dir", "", "directory for the log (\"\": below --data-dir)")
	fs.StringVar(&o.Name, "name", "default", "name of this member")
	fs.StringVar(&o.InitialCluster, "initial-cluster", "default=http://localhost:2380", "founders as NAME=PEERURL, separated by commas")
	fs.StringVar(&o.Token, "initial-cluster-token", "etcd-cluster", "token that keeps the new cluster apart from others")
	peerURLs := &commaList{&o.PeerURLs}
	o.PeerURLs = []string{"http://localhost:2380"}
	fs.Var(peerURLs, "initial-advertise-peer-urls", "peer URLs of this member, as in --initial-cluster")
	fs.BoolVar(&o.SkipHashCheck, "skip-hash-check", false, "take a file without a checksum, or with a wrong one; its pages and rows are checked anyway")
	fs.Uint64Var(&o.BumpRevision, "bump-revision", 0, "how far the revision is raised; needs --mark-compacted")
	fs.BoolVar(&o.MarkCompacted, "mark-compacted", false, "mark the raised revision as compacted; needs --bump-revision")
	fs.Uint64Var(&o.MmapBytes, "initial-memory-map-size", 10<<30, "address space for the database in bytes (0: 10 GiB)")
	return cmd
}

// commaList is a string flag that is cut at the commas.
type commaList struct{ to *[]string }

func (l *commaList) Type() string       { return "string" }
func (l *commaList) String() string     { return strings.Join(*l.to, ",") }
func (l *commaList) Set(s string) error { *l.to = strings.Split(s, ","); return nil }

func (a *app) hashKVCommand() *cobra.Command {
	var revision int64
	cmd := &cobra.Command{
		Use:   "hashkv <filename>",
		Short: "Prints the hash of the keys up to a revision",
		Long: "Prints the hash of the keys and their history up to a revision, as `endpoint hashkv` asks members for it. Members that\n" +
			"agree on the revision and on the compacted revision have to agree on the hash. The file is left as it is.",
		Example: examples(a.Name, "hashkv backup.db", "hashkv default.etcd/member/snap/db --rev 1000 -w json"),
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.printer()
			if err != nil {
				return err
			}
			hash, err := storefile.ReadHashKV(storefile.Find(args[0]), revision, a.file())
			if err != nil {
				return failed(err)
			}
			return printed(p.Print(hash))
		},
	}
	cmd.Flags().Int64Var(&revision, "rev", 0, "newest revision to hash (0: the newest in the file)")
	return cmd
}
