package peer

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
)

// linkStatus knows since when a member is reachable without a break: at least one of the two streams dialled to it has
// been up, and none has gone down.
type linkStatus struct {
	id       uint64
	log      *zap.Logger
	observer Observer

	mu      sync.Mutex // guards the rest
	streams int
	since   time.Time
}

// streamUp is called when a stream begins to be read; streamDown once for each such call.
func (s *linkStatus) streamUp() {
	s.mu.Lock()
	s.streams++
	first := s.streams == 1
	if first {
		s.since = time.Now()
		s.observer.Active(s.id, true)
	}
	s.mu.Unlock()
	if first {
		s.log.Info("peer became active")
	}
}

func (s *linkStatus) streamDown(cause error) {
	s.mu.Lock()
	s.streams--
	last := s.streams == 0
	s.since = time.Now()
	if last {
		s.since = time.Time{}
		s.observer.Active(s.id, false)
	}
	s.mu.Unlock()
	switch {
	case last && errors.Is(cause, context.Canceled):
		s.log.Info("peer was stopped")
	case last:
		s.log.Warn("peer became inactive", zap.Error(cause))
	}
}

// activeSince is zero while no stream is up.
func (s *linkStatus) activeSince() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}
