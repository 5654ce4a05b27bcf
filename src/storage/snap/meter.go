package snap

import (
	"time"

	"quoin.dev/pkg/meter"
)

// Meter is what a directory of snapshots counts. It is made by NewMeter, and may outlive the directory.
type Meter struct {
	// Save is for whole .snap files, Encode for their encoding, Fsync for what comes after their last byte was written: until
	// file and name are durable.
	Save, Encode, Fsync *meter.Histogram
	// SaveDB and SyncDB are the same for received databases, whose time is mostly that of their sender.
	SaveDB, SyncDB *meter.Histogram
}

// NewMeter returns a meter that has counted nothing.
func NewMeter() *Meter {
	disk := meter.Seconds(time.Millisecond, 14)
	return &Meter{
		Save: meter.New(disk), Encode: meter.New(disk), Fsync: meter.New(disk),
		SaveDB: meter.New(meter.Seconds(100*time.Millisecond, 10)), SyncDB: meter.New(disk),
	}
}
