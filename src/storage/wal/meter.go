package wal

import (
	"time"

	"quoin.dev/pkg/meter"
)

// Meter is what a log counts. It is made by NewMeter, and may outlive the log.
type Meter struct {
	Fsync, Write *meter.Histogram // each fdatasync, each write
	WrittenBytes meter.Counter
}

// NewMeter returns a meter that has counted nothing.
func NewMeter() *Meter {
	l := meter.Seconds(time.Millisecond, 14)
	return &Meter{Fsync: meter.New(l), Write: meter.New(l)}
}
