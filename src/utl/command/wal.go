package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"quoin.dev/pkg/vfs"
	"quoin.dev/storage/snap"
	"quoin.dev/storage/wal"
	"quoin.dev/utl/inspect"
)

func (a *app) walCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wal <subcommand>",
		Short: "Looks into a write-ahead log and the raft snapshots beside it",
	}
	cmd.AddCommand(a.walDumpCommand(), a.walSnapshotsCommand())
	return cmd
}

// kinds are the values of --type.
var kinds = []string{"crc", "entry", "metadata", "snapshot", "state"}

func (a *app) walDumpCommand() *cobra.Command {
	var style inspect.Style
	var from, to uint64
	var types []string
	cmd := &cobra.Command{
		Use:   "dump <directory>",
		Short: "Lists the records of a write-ahead log, decoded",
		Long: "Lists the records of the log in a data directory or a log directory as they stand in it, entries that later ones replaced\n" +
			"included, up to the end or the first damage. " + noSecrets,
		Example: examples(a.Name, "wal dump /var/lib/etcd", "wal dump /var/lib/etcd --type entry --from 1000 --to 1010",
			"wal dump /srv/wal --type snapshot,state -w json"),
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := a.list()
			if err != nil {
				return err
			}
			for _, t := range types {
				if !slices.Contains(kinds, t) {
					return badArgs("--type takes " + strings.Join(kinds, ", ") + "; got " + t)
				}
			}
			torn, err := wal.Records(below(args[0], "wal"), wal.Options{}, func(r wal.Record) error {
				if a.ctx.Err() != nil {
					return errEnough
				}
				if len(types) > 0 && !slices.Contains(types, inspect.Kind(r)) || r.Entry != nil && outside(r.Entry.GetIndex(), from, to) {
					return nil
				}
				return l.add(style.Record(r))
			})
			if err = l.end(err); err == nil && torn != nil {
				a.logger.Warn("the log ends in a record that was not written whole, as a crash leaves it: a start cuts it off",
					zap.String("path", torn.Path), zap.Int64("offset", torn.Offset), zap.String("reason", torn.Reason))
			}
			return err
		},
	}
	styleFlags(cmd, &style)
	cmd.Flags().Uint64Var(&from, "from", 0, "first index of entries to show")
	cmd.Flags().Uint64Var(&to, "to", 0, "last index of entries to show (0: all)")
	cmd.Flags().StringSliceVar(&types, "type", nil, "types of records to show: "+strings.Join(kinds, ", ")+" (none: all)")
	return cmd
}

func outside(index, from, to uint64) bool { return index < from || to > 0 && index > to }

// below finds a directory of a member: the path itself, or the one of that name in the data directory that path is.
func below(path, name string) string {
	if in := filepath.Join(path, "member", name); isDir(in) {
		return in
	}
	return path
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (a *app) walSnapshotsCommand() *cobra.Command {
	var style inspect.Style
	cmd := &cobra.Command{
		Use:   "snapshots <directory or filename>",
		Short: "Lists raft snapshots: their places in the log and the members then",
		Long: "Lists the .snap files of a data directory or a snap directory, or one of them: where in the log each stands, who voted\n" +
			"then, and the member list for versions before 3.7. `wal dump --type snapshot` tells which of them the log vouches for.",
		Example: examples(a.Name, "wal snapshots /var/lib/etcd", "wal snapshots /var/lib/etcd/member/snap/0000000000000002-0000000000001234.snap -w json"),
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := a.list()
			if err != nil {
				return err
			}
			files, err := snapFiles(below(args[0], "snap"))
			if err != nil {
				return failed(err)
			}
			var first error // the others are shown all the same
			for _, file := range files {
				s, err := snap.ReadFile(vfs.OS(), file)
				line := inspect.Pairs{{Name: "file", Value: filepath.Base(file)}}
				if err == nil {
					line = style.Snapshot(file, s)
				} else {
					line = append(line, inspect.Pair{Name: "problem", Value: err.Error()})
					if first == nil {
						first = err
					}
				}
				if err := l.add(line); err != nil {
					return l.end(err)
				}
			}
			return l.end(first)
		},
	}
	styleFlags(cmd, &style)
	return cmd
}

// snapFiles are the snapshots in a directory, the oldest first, or path itself if it is a file.
func snapFiles(path string) ([]string, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return []string{path}, nil
	}
	return filepath.Glob(filepath.Join(path, "*.snap"))
}
