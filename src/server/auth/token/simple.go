package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"quoin.dev/server/auth"
)

const (
	// DefaultSimpleTTL is how long an unused simple token lives if nobody says otherwise.
	DefaultSimpleTTL = 300 * time.Second

	letters       = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	secretLetters = 16
	sweepInterval = time.Second

	// maxTokens bounds what is remembered, about 10 MB. Above it, tokens that have not been used for long end first.
	maxTokens = 1 << 16
	// evictionSample is how many tokens are compared to find one that has not been used for long.
	evictionSample = 16

	// A token may arrive here before its entry is applied. Anybody can make up such tokens, so few may wait, and not for long.
	maxWaiting = 1024
	maxWait    = 5 * time.Second
)

var errDisabled = errors.New("auth: a token was asked for while authentication is disabled")

// simple remembers a session for each token. Time passes in sweeps, so that a lookup needs no clock.
type simple struct {
	ttl     int64 // in sweeps
	applied func(ctx context.Context, index uint64) error
	sweeps  atomic.Int64
	waiting atomic.Int64
	sweeper sync.WaitGroup

	mu       sync.RWMutex        // guards what follows; nothing is called under it
	sessions map[string]*session // by token; nil while disabled
	stop     chan struct{}       // ends the sweeper; nil while disabled
}

// session is a user for whom a token stands.
type session struct {
	user string
	used atomic.Int64 // the sweep before its last use
}

func newSimple(env Env) *simple {
	ttl := env.SimpleTTL
	if ttl <= 0 {
		ttl = DefaultSimpleTTL
	}
	return &simple{ttl: int64((ttl + sweepInterval - 1) / sweepInterval), applied: env.Applied}
}

func (s *simple) Secret() (string, error) {
	secret := make([]byte, 0, secretLetters)
	var random [4 * secretLetters]byte
	for len(secret) < secretLetters {
		if _, err := rand.Read(random[:]); err != nil {
			return "", fmt.Errorf("auth: draw a token: %w", err)
		}
		for _, value := range random {
			b := int(value)
			// Values beyond a multiple of the number of letters would make some of them likelier.
			if b < 256/len(letters)*len(letters) && len(secret) < secretLetters {
				secret = append(secret, letters[b%len(letters)])
			}
		}
	}
	return string(secret), nil
}

// Assign ends the token with the index of the entry before its own, as etcd does: in a cluster of both, a token of one is known to
// the other.
func (s *simple) Assign(user string, _ uint64, secret string, index uint64) (string, error) {
	token := secret + "." + strconv.FormatUint(index-1, 10)
	added := &session{user: user}
	added.used.Store(s.sweeps.Load())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		return "", errDisabled
	}
	if len(s.sessions) >= maxTokens {
		s.evict()
	}
	s.sessions[token] = added
	return token, nil
}

// evict ends the token of a few that was not used for the longest time. The caller holds mu.
func (s *simple) evict() {
	var victim string
	oldest, seen := int64(0), 0
	for token, session := range s.sessions { // begins anywhere
		if used := session.used.Load(); seen == 0 || used < oldest {
			victim, oldest = token, used
		}
		if seen++; seen == evictionSample {
			break
		}
	}
	delete(s.sessions, victim)
}

func (s *simple) Lookup(ctx context.Context, token string, current uint64) (auth.Identity, bool) {
	user, ok := s.use(token)
	if !ok {
		if !s.awaitEntry(ctx, token) {
			return auth.Identity{}, false
		}
		if user, ok = s.use(token); !ok {
			return auth.Identity{}, false
		}
	}
	return auth.Identity{User: user, Revision: current}, true
}

// use finds the user of a token, and keeps the token from ending.
func (s *simple) use(token string) (user string, ok bool) {
	s.mu.RLock()
	found := s.sessions[token]
	s.mu.RUnlock()
	if found == nil {
		return "", false
	}
	if now := s.sweeps.Load(); found.used.Load() != now {
		found.used.Store(now)
	}
	return found.user, true
}

// awaitEntry waits for the entry that a token says it comes from, and reports whether it is applied.
func (s *simple) awaitEntry(ctx context.Context, token string) bool {
	index, ok := entryOf(token)
	if !ok {
		return false
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaiting {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	return s.applied(ctx, index) == nil
}

// entryOf is the index of the entry behind a text that has the shape of a token.
func entryOf(token string) (index uint64, ok bool) {
	if len(token) <= secretLetters+1 || token[secretLetters] != '.' {
		return 0, false
	}
	before, err := strconv.ParseUint(token[secretLetters+1:], 10, 64)
	return before + 1, err == nil && before < math.MaxUint64
}

func (s *simple) Enable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions != nil {
		return
	}
	s.sessions, s.stop = map[string]*session{}, make(chan struct{})
	stop := s.stop
	s.sweeper.Go(func() { s.sweep(stop) })
}

// sweep ends the tokens that have not been used for their time to live.
func (s *simple) sweep(stop chan struct{}) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := s.sweeps.Add(1)
		s.drop(func(l *session) bool { return now-l.used.Load() > s.ttl })
	}
}

// drop ends the tokens that are to end. Requests go on while they are looked for.
func (s *simple) drop(ends func(*session) bool) {
	var ended []string
	s.mu.RLock()
	for token, session := range s.sessions {
		if ends(session) {
			ended = append(ended, token)
		}
	}
	s.mu.RUnlock()
	if len(ended) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range ended {
		// One that was used meanwhile is a use too late by a moment, but nobody was told so yet.
		if session := s.sessions[token]; session != nil && ends(session) {
			delete(s.sessions, token)
		}
	}
}

func (s *simple) Disable() {
	s.mu.Lock()
	if s.sessions != nil {
		close(s.stop)
		s.sessions, s.stop = nil, nil
	}
	s.mu.Unlock()
	s.sweeper.Wait()
}

func (s *simple) Forget(user string) { s.drop(func(l *session) bool { return l.user == user }) }

func (s *simple) Close() { s.Disable() }
