package member

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3"
)

// asked is a reads whose questions the test answers. A question that waits for an answer is asked again after a while: these tests
// have a clock of their own, so that it is they who let that come.
type asked struct {
	*reads
	questions chan []byte
	stop      chan struct{}
	ended     chan struct{}
}

func newAsked(t *testing.T, timeout time.Duration) *asked {
	a := &asked{questions: make(chan []byte, 100), stop: make(chan struct{}), ended: make(chan struct{})}
	id := uint64(0)
	a.reads = newReads(func(token []byte) { a.questions <- token }, func() uint64 { id++; return id }, new(applyWatch))
	a.applied.advance(10)
	go func() {
		defer close(a.ended)
		a.run(a.stop, timeout)
	}()
	t.Cleanup(a.end)
	return a
}

// end stops the loop; the second call does nothing.
func (a *asked) end() {
	select {
	case <-a.stop:
	default:
		close(a.stop)
	}
	<-a.ended
}

// read starts a reader and returns where its result arrives. It has joined a round when read returns.
func (a *asked) read(ctx context.Context) <-chan error {
	result := make(chan error, 1)
	before := a.waiting()
	a.mu.Lock()
	round := a.next
	a.mu.Unlock()
	go func() { result <- a.wait(ctx) }()
	for {
		a.mu.Lock()
		joined := a.next != round || round.readers > before
		a.mu.Unlock()
		if joined {
			return result
		}
	}
}

// waiting is how many readers wait for a question that was not asked yet.
func (a *asked) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next.readers
}

func (a *asked) reply(token []byte, index uint64) {
	a.answer(raft.ReadState{Index: index, RequestCtx: token})
}

const soon, never = "30s", "50ms"

func TestReadWaitsUntilItsIndexIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		a := newAsked(t, time.Minute)
		result := a.read(t.Context())
		var token []byte
		w.Eventually(a.questions, soon).Should(Receive(&token))
		w.Expect(token).To(HaveLen(8))
		w.Expect(result).NotTo(Receive())
		a.reply(token, 12)
		w.Consistently(result, never).ShouldNot(Receive())
		a.applied.advance(11)
		w.Consistently(result, never).ShouldNot(Receive())
		a.applied.advance(12)
		w.Eventually(result, soon).Should(Receive(BeNil()))

		result = a.read(t.Context())
		w.Eventually(a.questions, soon).Should(Receive(&token))
		a.reply(token, 12)
		w.Eventually(result, soon).Should(Receive(BeNil()), "what is applied already answers at once")
	})
}

// TestReadersShareTheNextQuestion: one that comes after a question was asked must not use its answer, which may be
// older than what the reader has seen.
func TestReadersShareTheNextQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		a := newAsked(t, time.Minute)
		first := a.read(t.Context())
		var one, two []byte
		w.Eventually(a.questions, soon).Should(Receive(&one))
		var late []<-chan error
		for range 5 {
			late = append(late, a.read(t.Context()))
		}
		w.Expect(a.waiting()).To(Equal(5))
		w.Expect(a.questions).NotTo(Receive(), "one question at a time")
		a.reply(one, 5)
		w.Eventually(first, soon).Should(Receive(BeNil()))
		w.Eventually(a.questions, soon).Should(Receive(&two))
		w.Expect(two).NotTo(Equal(one))
		for _, result := range late {
			w.Expect(result).NotTo(Receive())
		}
		a.reply(two, 6)
		for _, result := range late {
			w.Eventually(result, soon).Should(Receive(BeNil()))
		}
		w.Consistently(a.questions, never).ShouldNot(Receive(), "one question was enough")
	})
}

// etcd#20418: an answer to an attempt before, late after a pause or from a leader that was, does not count, although it
// comes from the same reader.
func TestAnswersToOtherAttemptsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		a := newAsked(t, time.Minute)
		stranger := binary.BigEndian.AppendUint64(nil, 999)
		a.reply(stranger, 1) // waits in the buffer from before
		result := a.read(t.Context())
		var first, second []byte
		w.Eventually(a.questions, soon).Should(Receive(&first))
		a.reply(stranger, 1)
		a.reply(nil, 1)
		w.Consistently(result, never).ShouldNot(Receive())

		w.Eventually(a.questions, soon).Should(Receive(&second), "no answer: it asks again")
		w.Expect(second).NotTo(Equal(first), "with a token of its own")
		a.reply(first, 1)
		w.Consistently(result, never).ShouldNot(Receive())
		a.reply(second, 10)
		w.Eventually(result, soon).Should(Receive(BeNil()))
	})
}

// etcd#21375: a read that meets a change of leader asks the new one instead of failing, or of taking the old answer.
func TestChangeOfLeaderAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		a := newAsked(t, time.Minute)
		a.leaderChanged() // before the question: it is asked of whoever leads now
		result := a.read(t.Context())
		var tokens [4][]byte
		w.Eventually(a.questions, soon).Should(Receive(&tokens[0]))
		for i := 1; i < len(tokens); i++ {
			start := time.Now()
			a.leaderChanged()
			w.Eventually(a.questions, soon).Should(Receive(&tokens[i]))
			w.Expect(time.Since(start)).To(BeNumerically("<", readRetryInterval), "at once")
			a.reply(tokens[i-1], 1)
		}
		w.Consistently(result, never).ShouldNot(Receive())
		a.reply(tokens[len(tokens)-1], 10)
		w.Eventually(result, soon).Should(Receive(BeNil()))
	})
}

func TestReadsEnd(t *testing.T) {
	t.Run("after the request timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := NewWithT(t)
			a := newAsked(t, 20*time.Millisecond)
			w.Eventually(a.read(t.Context()), soon).Should(Receive(MatchError(ErrTimeout)))
			// The next round is not hurt by it.
			for len(a.questions) > 0 {
				<-a.questions
			}
			result := a.read(t.Context())
			var token []byte
			w.Eventually(a.questions, soon).Should(Receive(&token))
			a.reply(token, 1)
			w.Eventually(result, soon).Should(Receive(Or(BeNil(), MatchError(ErrTimeout))))
		})
	})
	t.Run("when their caller leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := NewWithT(t)
			a := newAsked(t, time.Minute)
			ctx, cancel := context.WithCancelCause(t.Context())
			result := a.read(ctx)
			cancel(errors.New("has left"))
			w.Eventually(result, soon).Should(Receive(MatchError(context.Canceled)))
		})
	})
	t.Run("when the member stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := NewWithT(t)
			a := newAsked(t, time.Minute)
			applying := a.read(t.Context())
			var token []byte
			w.Eventually(a.questions, soon).Should(Receive(&token))
			a.reply(token, 1000) // which is never applied
			asking := a.read(t.Context())
			w.Eventually(a.questions, soon).Should(Receive())
			waiting := a.read(t.Context())
			a.end()
			for name, result := range map[string]<-chan error{"applying": applying, "asking": asking, "waiting": waiting, "too late": a.read(t.Context())} {
				w.Eventually(result, soon).Should(Receive(MatchError(ErrStopped)), name)
			}
		})
	})
}

// TestLostAnswersAreAskedForAgain: the core never waits for who asks, so answers may be lost.
func TestLostAnswersAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		a := newAsked(t, time.Minute)
		for range 3 * answersBuffered {
			a.reply([]byte("nobody"), 1)
		}
		result := a.read(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case token := <-a.questions:
					a.reply(token, 3)
				case <-a.ended:
					return
				}
			}
		}()
		w.Eventually(result, soon).Should(Receive(BeNil()))
		a.end()
		<-done
	})
}
