package auth

import (
	"context"
	"encoding/base64"
	"testing"

	. "github.com/onsi/gomega"
)

func TestPasswordsAreHeldAgainstTheirHash(t *testing.T) {
	w := NewWithT(t)
	p := NewPasswords(4)
	text, err := p.Hash(t.Context(), "right")
	w.Expect(err).NotTo(HaveOccurred())
	hash, err := base64.StdEncoding.DecodeString(text)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(p.Check(t.Context(), hash, "right")).To(Succeed())
	w.Expect(p.Check(t.Context(), hash, "wrong")).To(MatchError(ErrAuthFailed))
	w.Expect(p.Check(t.Context(), nil, "")).To(MatchError(ErrAuthFailed), "a user without a hash")
}

// TestPasswordsWaitInABoundedQueue fills all slots, and then the queue in front of them.
func TestPasswordsWaitInABoundedQueue(t *testing.T) {
	w := NewWithT(t)
	p := NewPasswords(4)
	release, entered := make(chan struct{}), make(chan struct{})
	results := make(chan error, maxPasswordsWaiting)
	for range cap(p.slots) {
		go func() {
			results <- p.run(t.Context(), func() error { entered <- struct{}{}; <-release; return nil })
		}()
	}
	for range cap(p.slots) {
		<-entered
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range maxPasswordsWaiting - cap(p.slots) {
		go func() { results <- p.run(ctx, func() error { return nil }) }()
	}
	w.Eventually(p.waiting.Load, "20s").Should(BeEquivalentTo(maxPasswordsWaiting))
	w.Expect(p.Check(t.Context(), nil, "x")).To(MatchError(ErrTooManyPasswords))
	cancel()
	for range maxPasswordsWaiting - cap(p.slots) {
		w.Expect(<-results).To(MatchError(context.Canceled), "whoever is gone leaves the queue")
	}
	close(release)
	for range cap(p.slots) {
		w.Expect(<-results).To(Succeed())
	}
	w.Expect(p.waiting.Load()).To(BeZero())
}
