package member

import (
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

// etcd#13527: the index is known, but a disk that is stuck keeps it from being applied here.
func TestReadEndsWhenItsIndexIsNotApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		a := newAsked(t, 100*time.Millisecond)
		result := a.read(t.Context())
		var token []byte
		w.Eventually(a.questions, soon).Should(Receive(&token))
		a.reply(token, 12)
		w.Eventually(result, soon).Should(Receive(MatchError(ErrTimeout)))
		a.applied.advance(12) // too late for the reader, and no harm
		next := a.read(t.Context())
		w.Eventually(a.questions, soon).Should(Receive(&token))
		a.reply(token, 12)
		w.Eventually(next, soon).Should(Receive(BeNil()))
	})
}
