package raftnode

import (
	"strings"

	"go.uber.org/zap"
)

// raftLogger gives raft's messages to the member's log.
type raftLogger struct{ *zap.SugaredLogger }

// Infof passes on what raft says, except for what it says all the time under load: that the disk has confirmed an entry
// which was confirmed before.
func (l raftLogger) Infof(format string, v ...any) {
	if strings.HasPrefix(format, "entry at index") {
		l.Debugf(format, v...)
		return
	}
	l.SugaredLogger.Infof(format, v...)
}

func (l raftLogger) Warning(v ...any)                 { l.Warn(v...) }
func (l raftLogger) Warningf(format string, v ...any) { l.Warnf(format, v...) }
