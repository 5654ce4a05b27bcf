package migrate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
	"quoin.dev/storage/wal"
	"quoin.dev/utl/storefile"
)

// Options of a migration.
type Options struct {
	DataDir string
	Target  Version
	// Force sets the version even if the log holds entries that the target does not understand, or no way leads there.
	Force bool
	File  storefile.Options
}

// Run migrates.
func Run(o Options) (err error) {
	logger := o.File.Logger
	db := storefile.InDataDir(o.DataDir)
	if _, err := os.Stat(db); err != nil {
		return err
	}
	b, err := storefile.Write(db, o.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	current, err := currentVersion(b)
	if err != nil {
		return err
	}
	if current == o.Target {
		logger.Info("storage version up-to-date", zap.Stringer("storage-version", o.Target))
		return nil
	}
	err = o.walk(b, current)
	if err == nil || !o.Force {
		return err
	}
	logger.Info("normal migrate failed, trying with force", zap.Error(err))
	return o.force(b)
}

// currentVersion is 3.5 for a file without a version: that one wrote none.
func currentVersion(b *backend.Backend) (Version, error) {
	text := storefile.Version(b)
	if text == "" {
		return oldest, nil
	}
	return ParseFull(text)
}

// walk goes to the target in steps, all in one transaction.
func (o *Options) walk(b *backend.Backend, from Version) error {
	way, err := steps(from, o.Target)
	if err != nil {
		return err
	}
	if o.Target.less(from) {
		needed, err := o.neededByLog()
		if err != nil {
			return err
		}
		if o.Target.less(needed) {
			return fmt.Errorf("cannot downgrade storage, WAL contains newer entries, as the target version (%s) is lower than the version (%s) detected from WAL logs",
				o.Target.Full(), needed.Full())
		}
	}
	for _, v := range way {
		put(b, v)
		o.File.Logger.Info("updated storage version", zap.String("new-storage-version", v.Full()))
	}
	b.Commit(backend.Applied{})
	return b.Flush()
}

func put(b *backend.Backend, v Version) {
	text := v.Full()
	if v == oldest {
		text = ""
	}
	schema.PutStorageVersion(b, text)
}

// neededByLog is the oldest version that understands all entries that a member may still read.
func (o *Options) neededByLog() (needed Version, err error) {
	dir := filepath.Join(o.DataDir, "member", "wal")
	marks, err := wal.Marks(dir, wal.Options{Logger: o.File.Logger})
	if err != nil {
		return needed, fmt.Errorf("find out what the log holds: %w", err)
	}
	var from uint64
	for _, m := range marks {
		from = max(from, m.Index)
	}
	_, err = wal.Records(dir, wal.Options{Logger: o.File.Logger}, func(r wal.Record) error {
		if r.Entry == nil || r.Entry.GetIndex() <= from {
			return nil
		}
		of, err := Needs(r.Entry)
		needed = needed.max(of)
		return err
	})
	return needed, err
}

func (o *Options) force(b *backend.Backend) error {
	put(b, o.Target)
	b.Commit(backend.Applied{})
	if err := b.Flush(); err != nil {
		return err
	}
	if o.Target == oldest {
		o.File.Logger.Warn("forcefully cleared storage version")
	} else {
		o.File.Logger.Warn("forcefully set storage version", zap.Stringer("storage-version", o.Target))
	}
	return nil
}
