package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"go.uber.org/zap"

	"quoin.dev/server/auth"
)

// maxTokenBytes is the longest text that is looked at: a JWT of an RSA key of 4096 bits has about 800 bytes.
const maxTokenBytes = 16 << 10

// Env is what a provider needs of its member.
type Env struct {
	Logger *zap.Logger
	// SimpleTTL is how long an unused simple token lives; 0 means DefaultSimpleTTL.
	SimpleTTL time.Duration
	// Applied waits until the entry at index is applied here, or ctx is done.
	Applied func(ctx context.Context, index uint64) error
}

// New returns the provider that the options ask for; the caller closes it. Error: keys that can not be read or used.
func New(o Options, env Env) (auth.TokenProvider, error) {
	switch o.kind {
	case kindSimple:
		return newSimple(env), nil
	case kindJWT:
		return newSigned(o, env.Logger)
	}
	return none{}, nil
}

// Fingerprint names a token in logs without giving it away.
func Fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6])
}

// none is a member without tokens.
type none struct{}

func (none) Secret() (string, error) { return "", nil }

func (none) Assign(string, uint64, string, uint64) (string, error) { return "", auth.ErrAuthFailed }

func (none) Lookup(context.Context, string, uint64) (auth.Identity, bool) {
	return auth.Identity{}, false
}

func (none) Enable()       {}
func (none) Disable()      {}
func (none) Forget(string) {}
func (none) Close()        {}
