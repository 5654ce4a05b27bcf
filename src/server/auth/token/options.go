package token

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Errors of settings and keys, with the texts that etcd has for them.
var (
	ErrInvalidOptions = errors.New("auth: invalid auth options")
	ErrMissingKey     = errors.New("auth: missing key data")
	ErrKeyMismatch    = errors.New("auth: public and private keys don't match")
	// ErrVerifyOnly says that a token was asked for where only a public key is.
	ErrVerifyOnly = errors.New("auth: token signing attempted with verify-only key")
)

// Kinds of tokens.
const (
	kindNone   = ""
	kindSimple = "simple"
	kindJWT    = "jwt"
)

const defaultJWTTTL = 5 * time.Minute

// Options are what the text of --auth-token means. Parse makes them.
type Options struct {
	// Unknown are the names of options that mean nothing here, sorted.
	Unknown []string

	kind   string
	method jwt.SigningMethod // the rest is for kindJWT
	files  keyFiles
	ttl    time.Duration
}

// Parse reads the text of --auth-token without opening a file. Errors: ErrInvalidOptions
// with the reason, ErrMissingKey.
func Parse(text string) (Options, error) {
	kind, rest, some := strings.Cut(text, ",")
	values := map[string]string{}
	for some {
		var pair string
		pair, rest, some = strings.Cut(rest, ",")
		key, value, ok := strings.Cut(pair, "=")
		if _, twice := values[key]; !ok || twice {
			return Options{}, invalid("want each option once, as name=value; got %q", pair)
		}
		values[key] = value
	}
	switch kind {
	case kindNone, kindSimple:
		return Options{kind: kind}, nil
	case kindJWT:
		return parseJWT(values)
	}
	return Options{}, invalid(`unknown kind of tokens %q, want "simple" or "jwt"`, kind)
}

func parseJWT(values map[string]string) (Options, error) {
	o := Options{kind: kindJWT, ttl: defaultJWTTTL, files: keyFiles{public: values["pub-key"], private: values["priv-key"]}}
	name := values["sign-method"]
	o.method = jwt.GetSigningMethod(name)
	if o.method == nil || o.method == jwt.SigningMethodNone {
		return Options{}, invalid("sign-method %q is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, HS256, HS384, HS512, EdDSA", name)
	}
	_, symmetric := o.method.(*jwt.SigningMethodHMAC)
	if o.files.private == "" && (symmetric || o.files.public == "") {
		return Options{}, ErrMissingKey
	}
	if text, given := values["ttl"]; given {
		var err error
		if o.ttl, err = time.ParseDuration(text); err != nil {
			return Options{}, invalid("ttl: %v", err)
		}
		if o.ttl < time.Second {
			// Tokens carry their end in whole seconds.
			return Options{}, invalid("ttl must be at least 1s, got %s", text)
		}
	}
	for _, known := range []string{"sign-method", "pub-key", "priv-key", "ttl"} {
		delete(values, known)
	}
	o.Unknown = slices.Sorted(maps.Keys(values))
	return o, nil
}

// CheckFiles reads the key files and returns what would stop a member from starting with them.
func (o Options) CheckFiles() error {
	if o.kind != kindJWT {
		return nil
	}
	_, err := o.files.load(o.method)
	return err
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidOptions, fmt.Sprintf(format, args...))
}
