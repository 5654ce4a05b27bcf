package peer

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
)

// linkStatus knows since when a member is reachable without a break: at least one of the two streams dialled to it has
// been up, and none has gone down. It also knows what the member says that it is.
type linkStatus struct {
	id       uint64
	log      *zap.Logger
	observer Observer

	mu       sync.Mutex // guards the rest
	streams  int
	since    time.Time
	answered bool // a stream has been up
	software string
}

// answeredAs is called when a stream is answered, with what the answer says of its sender.
func (s *linkStatus) answeredAs(software string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered, s.software = true, software
}

func (s *linkStatus) saidToBe() (software string, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.software, s.answered
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
