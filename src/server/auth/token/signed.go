package token

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"

	"quoin.dev/server/auth"
)

const (
	// pollInterval is how often the key files are read.
	pollInterval = time.Second

	// maxVerified bounds the tokens that are remembered as good, and maxVerifiedBytes each of them: 16 MB at most. What does
	// not fit is verified at each use.
	maxVerified      = 4096
	maxVerifiedBytes = 4 << 10
)

// signed believes what is signed with a key. It remembers which tokens were, since a signature takes longer to verify than
// everything else about a request.
type signed struct {
	method jwt.SigningMethod
	ttl    time.Duration
	parser *jwt.Parser
	files  keyFiles
	logger *zap.Logger
	state  atomic.Pointer[verifier] // replaced as a whole when keys change
	stop   chan struct{}
	poller sync.WaitGroup
}

// verifier is a set of keys, and what they have verified.
type verifier struct {
	*keyring
	mu   sync.RWMutex // guards seen
	seen map[string]verified
}

// verified is what a good token says.
type verified struct {
	identity auth.Identity
	end      time.Time // zero: never
}

func newSigned(o Options, logger *zap.Logger) (*signed, error) {
	data, err := o.files.read()
	if err != nil {
		return nil, err
	}
	ring, err := newKeyring(o.method, data)
	if err != nil {
		return nil, err
	}
	s := &signed{
		method: o.method,
		ttl:    o.ttl,
		parser: jwt.NewParser(jwt.WithValidMethods([]string{o.method.Alg()}), jwt.WithJSONNumber()),
		files:  o.files,
		logger: logger,
		stop:   make(chan struct{}),
	}
	s.use(ring)
	s.poller.Go(func() { s.poll(data) })
	return s, nil
}

func (s *signed) use(ring *keyring) {
	s.state.Store(&verifier{keyring: ring, seen: map[string]verified{}})
}

// poll takes over keys whose files have changed.
func (s *signed) poll(last keyData) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	failed := ""
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		data, err := s.files.read()
		if err == nil && data.equal(last) {
			failed = ""
			continue
		}
		var ring *keyring
		if err == nil {
			ring, err = newKeyring(s.method, data)
		}
		if err != nil {
			if err.Error() != failed {
				s.logger.Warn("keep the keys of tokens, since the changed files can not be used", zap.Error(err))
			}
			failed = err.Error()
			continue
		}
		last, failed = data, ""
		s.use(ring)
		s.logger.Info("use changed keys of tokens", zap.Int("verifying-keys", len(ring.verifying)), zap.Bool("can-sign", ring.signing != nil))
	}
}

// Secret implements auth.TokenProvider: all of a token is made when it is assigned.
func (s *signed) Secret() (string, error) { return "", nil }

func (s *signed) Assign(user string, revision uint64, _ string, _ uint64) (string, error) {
	key := s.state.Load().signing
	if key == nil {
		return "", ErrVerifyOnly
	}
	return jwt.NewWithClaims(s.method, jwt.MapClaims{
		"username": user,
		"revision": revision,
		"exp":      time.Now().Add(s.ttl).Unix(),
	}).SignedString(key)
}

func (s *signed) Lookup(_ context.Context, token string, _ uint64) (auth.Identity, bool) {
	state := s.state.Load()
	state.mu.RLock()
	known, ok := state.seen[token]
	state.mu.RUnlock()
	if !ok {
		var err error
		if known, err = s.verify(state, token); err != nil {
			s.logger.Debug("refused a signed token", zap.String("token-fingerprint", Fingerprint(token)), zap.Error(err))
			return auth.Identity{}, false
		}
		state.remember(token, known)
	} else if !known.end.IsZero() && !time.Now().Before(known.end) {
		return auth.Identity{}, false
	}
	return known.identity, true
}

func (s *signed) verify(state *verifier, text string) (v verified, err error) {
	if len(text) > maxTokenBytes {
		return v, jwt.ErrTokenMalformed
	}
	claims := jwt.MapClaims{}
	keys := func(*jwt.Token) (any, error) { return jwt.VerificationKeySet{Keys: state.verifying}, nil }
	if _, err := s.parser.ParseWithClaims(text, claims, keys); err != nil {
		return v, err
	}
	end, err := claims.GetExpirationTime()
	if err != nil {
		return v, err
	}
	if end != nil {
		v.end = end.Time
	}
	// etcd#15676: what is signed may still say anything.
	user, _ := claims["username"].(string)
	number, _ := claims["revision"].(json.Number)
	revision, err := strconv.ParseUint(number.String(), 10, 64)
	if user == "" || err != nil || revision == 0 {
		return v, jwt.ErrTokenRequiredClaimMissing
	}
	v.identity = auth.Identity{User: user, Revision: revision}
	return v, nil
}

// remember notes a good token. When there is no room, it forgets all of them: those in use come back at their next use.
func (v *verifier) remember(token string, good verified) {
	if len(token) > maxVerifiedBytes {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.seen) >= maxVerified {
		clear(v.seen)
	}
	v.seen[token] = good
}

// Enable, Disable and Forget do nothing: a signed token carries the revision of the users, which moves on with each change.

func (s *signed) Enable()       {}
func (s *signed) Disable()      {}
func (s *signed) Forget(string) {}

func (s *signed) Close() {
	close(s.stop)
	s.poller.Wait()
}
