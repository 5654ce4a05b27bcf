package command

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"quoin.dev/pkg/human"
	"quoin.dev/storage/backend"
	"quoin.dev/utl/storefile"
)

// defragName is what a defragmentation works in. Members delete it when they start.
const defragName = "db.tmp.offline"

func (a *app) defragCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "defrag",
		Short: "Gives the free space in the database of a member that does not run back to the disk",
		Long: "Writes the database of a member that does not run anew, without the free space in it. The disk needs room for the copy\n" +
			"meanwhile. A crash, an interrupt or a full disk leaves the database as it was, and at most a copy that the next start deletes. `quoinctl defrag` does it in a member that runs.",
		Example: examples(a.Name, "defrag --data-dir /var/lib/etcd", "defrag --data-dir /var/lib/etcd --timeout 1m"),
		RunE: func(*cobra.Command, []string) error {
			if err := a.defrag(dir); err != nil {
				//lint:ignore ST1005 it is etcdutl's sentence
				return failed(fmt.Errorf("Failed to defragment etcd data[%s] (%w)", dir, err))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "data-dir", "", "data directory of the member; required")
	required(cmd, "data-dir")
	return cmd
}

// required marks a flag; that fails only for one that does not exist.
func required(cmd *cobra.Command, name string) {
	if err := cmd.MarkFlagRequired(name); err != nil {
		panic(err)
	}
}

func (a *app) defrag(dir string) error {
	db := storefile.InDataDir(dir)
	if _, err := os.Stat(db); err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(db), defragName)
	start := time.Now()
	stop := func() {}
	before, after, err := backend.DefragmentFile(backend.Options{Path: db, LockWait: a.file().LockWait}, temp, func(now backend.FileSize) {
		a.logger.Info("defragmenting", zap.String("path", db),
			zap.Int64("current-db-size-bytes", now.Bytes), zap.String("current-db-size", human.Bytes(uint64(now.Bytes))),
			zap.Int64("current-db-size-in-use-bytes", now.InUseBytes), zap.String("current-db-size-in-use", human.Bytes(uint64(now.InUseBytes))))
		stop = watchFile(temp, a.progress("copying", now.InUseBytes))
	})
	stop()
	if err != nil {
		return storefile.Explain(db, err, a.logger)
	}
	a.logger.Info("finished defragmenting directory", zap.String("path", db),
		zap.Int64("current-db-size-bytes-diff", after.Bytes-before.Bytes),
		zap.Int64("current-db-size-bytes", after.Bytes), zap.String("current-db-size", human.Bytes(uint64(after.Bytes))),
		zap.Int64("current-db-size-in-use-bytes-diff", after.InUseBytes-before.InUseBytes),
		zap.Int64("current-db-size-in-use-bytes", after.InUseBytes), zap.String("current-db-size-in-use", human.Bytes(uint64(after.InUseBytes))),
		zap.Duration("took", time.Since(start)))
	return nil
}

// watchFile tells how long a file is until stop is called.
func watchFile(path string, tell func(int64)) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-tick.C:
				tell(fileBytes(path))
			case <-ended:
				tick.Stop()
				return
			}
		}
	}()
	return func() { close(ended); <-done }
}
