package auth

import (
	"context"
	"encoding/base64"
	"runtime"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// maxPasswordsWaiting bounds how many requests wait for a password to be hashed or checked.
const maxPasswordsWaiting = 1024

// Passwords hashes and checks passwords. That is slow on purpose, so only half of the processors do it at a time, and whoever tries
// passwords all day does not hold up the requests of others.
type Passwords struct {
	cost    int
	slots   chan struct{}
	waiting atomic.Int64
}

// NewPasswords returns one that hashes with the given cost of bcrypt, 4 to 31.
func NewPasswords(cost int) *Passwords {
	return &Passwords{cost: cost, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// Hash returns the hash of a password as entries of the log carry it. Errors: a password of more than 72 bytes, ErrTooManyPasswords,
// and the end of ctx.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	var hash []byte
	err := p.run(ctx, func() (err error) {
		hash, err = bcrypt.GenerateFromPassword([]byte(password), p.cost)
		return err
	})
	return base64.StdEncoding.EncodeToString(hash), err
}

// Check holds a password against a hash. Without a hash, which is that of nobody, it fails after the time that a hash takes, so that
// nobody learns from a clock which users there are. Errors: ErrAuthFailed, ErrTooManyPasswords, and the end of ctx.
func (p *Passwords) Check(ctx context.Context, hash []byte, password string) error {
	return p.run(ctx, func() error {
		if len(hash) == 0 {
			_, _ = bcrypt.GenerateFromPassword(nil, p.cost)
			return ErrAuthFailed
		}
		if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
			return ErrAuthFailed
		}
		return nil
	})
}

// run waits for a slot, in the order of arrival.
func (p *Passwords) run(ctx context.Context, f func() error) error {
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxPasswordsWaiting {
		return ErrTooManyPasswords
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}
