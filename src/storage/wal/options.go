package wal

import (
	"go.uber.org/zap"

	"quoin.dev/pkg/vfs"
)

// DefaultSegmentBytes is etcd's segment size: the log goes on in a new segment after the Sync that finds it reached.
const DefaultSegmentBytes = 64_000_000

// writeBytes bounds the encode buffer: a larger Append is written in pieces of about this size.
const writeBytes = 1 << 20

// Options of a log. The zero value works.
type Options struct {
	FS           vfs.FS      // default: the machine's
	SegmentBytes int64       // default: DefaultSegmentBytes
	Logger       *zap.Logger // default: none
	Meter        *Meter      // default: one that nobody reads
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Meter == nil {
		o.Meter = NewMeter()
	}
	return o
}
