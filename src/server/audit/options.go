package audit

import (
	"fmt"

	"quoin.dev/server/logging"
)

// Level is what is written down.
type Level string

// Each level has what the one before has.
const (
	LevelDenied Level = "denied" // requests that were denied
	LevelWrites Level = "writes" // and changes, logins and snapshots
	LevelAll    Level = "all"    // and everything else
)

// Stderr is the path that stands for the standard error output.
const Stderr = "stderr"

// Options choose place and extent of the log; without a path there is none.
type Options struct {
	Path  string // of a file, or Stderr
	Level Level
	// RotationJSON says when the file is put aside, as --log-rotation-config-json does.
	RotationJSON string
}

// Check reports what Open would refuse about the options themselves.
func (o Options) Check() error {
	switch o.Level {
	case LevelDenied, LevelWrites, LevelAll:
	default:
		return fmt.Errorf("--audit-log-level must be %q, %q or %q (set to %q)", LevelDenied, LevelWrites, LevelAll, o.Level)
	}
	if _, err := logging.ParseRotation(o.RotationJSON); err != nil {
		return fmt.Errorf("--audit-log-rotation-config-json: %w", err)
	}
	return nil
}
