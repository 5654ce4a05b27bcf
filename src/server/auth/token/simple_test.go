package token

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"

	"quoin.dev/server/auth"
)

// log is a log of which the entries up to an index are applied.
type log struct {
	mu      sync.Mutex // guards both
	applied uint64
	moved   chan struct{}
}

func (l *log) apply(index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.applied = index
	close(l.moved)
	l.moved = make(chan struct{})
}

func (l *log) wait(ctx context.Context, index uint64) error {
	for {
		l.mu.Lock()
		applied, moved := l.applied, l.moved
		l.mu.Unlock()
		if applied >= index {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

func startSimple(t *testing.T, ttl time.Duration) (*simple, *log) {
	l := &log{moved: make(chan struct{})}
	o, err := Parse("simple")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	p, err := New(o, Env{Logger: zap.NewNop(), SimpleTTL: ttl, Applied: l.wait})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(p.Close)
	p.Enable()
	return p.(*simple), l
}

// assign makes a token and applies its entry.
func (l *log) assign(t *testing.T, p auth.TokenProvider, user string, index uint64) string {
	t.Helper()
	w := NewWithT(t)
	secret, err := p.Secret()
	w.Expect(err).NotTo(HaveOccurred())
	token, err := p.Assign(user, 7, secret, index)
	w.Expect(err).NotTo(HaveOccurred())
	l.apply(index)
	return token
}

// whose is the user of a token; nobody's is "".
func whose(t *testing.T, p auth.TokenProvider, token string) string {
	t.Helper()
	id, ok := p.Lookup(t.Context(), token, 9)
	if NewWithT(t).Expect(ok).To(Equal(id != auth.Identity{})); !ok {
		return ""
	}
	return id.User
}

func TestSimpleTokensHaveEtcdsShape(t *testing.T) {
	w := NewWithT(t)
	p, l := startSimple(t, 0)
	seen := map[string]bool{}
	counts := map[rune]int{}
	for i := range uint64(2000) {
		token := l.assign(t, p, "alice", i+1) // etcd's tokens have the index of the entry before their own
		w.Expect(token).To(MatchRegexp(`^[a-zA-Z]{16}\.%d$`, i))
		seen[token[:secretLetters]] = true
		for _, c := range token[:secretLetters] {
			counts[c]++
		}
	}
	w.Expect(seen).To(HaveLen(2000))
	// 32000 letters: about 615 of each of the 52.
	w.Expect(counts).To(HaveLen(len(letters)))
	w.Expect(counts).To(HaveEach(And(BeNumerically(">", 450), BeNumerically("<", 800))))

	id, ok := p.Lookup(t.Context(), l.assign(t, p, "bob", 5000), 42)
	w.Expect(ok).To(BeTrue())
	w.Expect(id).To(Equal(auth.Identity{User: "bob", Revision: 42}), "a simple token is good for the current revision")
}

func TestSimpleTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		p, l := startSimple(t, 10*time.Second)
		used, unused := l.assign(t, p, "alice", 1), l.assign(t, p, "alice", 2)
		for range 4 {
			time.Sleep(9 * time.Second)
			w.Expect(whose(t, p, used)).To(Equal("alice"))
		}
		w.Expect(whose(t, p, unused)).To(BeEmpty())
		w.Expect(p.sessions).To(HaveLen(1))
		time.Sleep(9500 * time.Millisecond)
		w.Expect(whose(t, p, used)).To(Equal("alice"), "not before its time")
		time.Sleep(12 * time.Second)
		w.Expect(whose(t, p, used)).To(BeEmpty())
		w.Expect(p.sessions).To(BeEmpty(), "nothing is kept of tokens that ended")
	})
}

func TestSimpleTokensOfAUserAreForgotten(t *testing.T) {
	w := NewWithT(t)
	p, l := startSimple(t, 0)
	alice, again, bob := l.assign(t, p, "alice", 1), l.assign(t, p, "alice", 2), l.assign(t, p, "bob", 3)
	p.Forget("alice")
	w.Expect([]string{whose(t, p, alice), whose(t, p, again), whose(t, p, bob)}).To(Equal([]string{"", "", "bob"}))

	p.Enable() // again, as a start of a member with authentication does: changes nothing
	w.Expect(whose(t, p, bob)).To(Equal("bob"))
	p.Disable()
	p.Disable()
	w.Expect(whose(t, p, bob)).To(BeEmpty())
	_, err := p.Assign("bob", 1, "s", 4)
	w.Expect(err).To(MatchError(errDisabled))
	p.Enable()
	w.Expect(whose(t, p, bob)).To(BeEmpty(), "what was disabled stays forgotten")
}

// TestSimpleTokensWaitForTheirEntry uses tokens before the member has applied what made them.
func TestSimpleTokensWaitForTheirEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		p, l := startSimple(t, 0)
		token, err := p.Secret()
		w.Expect(err).NotTo(HaveOccurred())
		token += ".100"
		found := make(chan string)
		go func() { found <- whose(t, p, token) }()
		synctest.Wait()
		w.Expect(found).NotTo(Receive())
		l.apply(100)
		synctest.Wait()
		w.Expect(found).NotTo(Receive(), "its own entry is the next one")
		_, err = p.Assign("alice", 1, token[:secretLetters], 101)
		w.Expect(err).NotTo(HaveOccurred())
		l.apply(101)
		w.Expect(<-found).To(Equal("alice"))

		// Made-up tokens wait for as long as the client does, but not for ever.
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, ok := p.Lookup(ctx, "abcdefghijklmnop.101", 1)
		w.Expect(ok).To(BeFalse())
		w.Expect(time.Since(begin)).To(Equal(time.Second))
		w.Expect(whose(t, p, "abcdefghijklmnop.18446744073709551614")).To(BeEmpty())
		w.Expect(time.Since(begin)).To(Equal(time.Second + maxWait))

		// What has not the shape of a token, or an entry that is applied, is refused at once.
		for _, text := range []string{"", ".", "x", token[:secretLetters], token[:secretLetters] + ".", token[:secretLetters] + ".1", token[:secretLetters] + ".x",
			"short.999", token + ".1", token[:secretLetters] + ".-1", token[:secretLetters] + ".18446744073709551615",
			token[:secretLetters] + ".18446744073709551616", "abcdefghijklmnop.100"} {
			w.Expect(whose(t, p, text)).To(BeEmpty(), text)
		}
		w.Expect(time.Since(begin)).To(Equal(time.Second + maxWait))
	})
}

func TestFewMadeUpTokensMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		p, l := startSimple(t, 0)
		good := l.assign(t, p, "alice", 1)
		for i := range maxWaiting {
			go whose(t, p, fmt.Sprintf("abcdefghijklmnop.%d", 1000+i))
		}
		synctest.Wait()
		begin := time.Now()
		w.Expect(whose(t, p, "abcdefghijklmnop.999")).To(BeEmpty())
		w.Expect(whose(t, p, good)).To(Equal("alice"))
		w.Expect(time.Since(begin)).To(BeZero())
		time.Sleep(2 * maxWait)
		w.Expect(p.waiting.Load()).To(BeZero())
	})
}

func TestSimpleTokensAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		p, l := startSimple(t, 0)
		busy := l.assign(t, p, "busy", 1)
		for i := range uint64(maxTokens + maxTokens/2) {
			if i%(maxTokens/64) == 0 {
				time.Sleep(sweepInterval)
				w.Expect(whose(t, p, busy)).To(Equal("busy"), "what is used stays")
			}
			if _, err := p.Assign("flood", 1, "aaaaaaaaaaaaaaaa", 10+i); err != nil {
				t.Fatal(err)
			}
		}
		w.Expect(p.sessions).To(HaveLen(maxTokens))
		w.Expect(whose(t, p, busy)).To(Equal("busy"))
	})
}

func BenchmarkSimpleLookup(b *testing.B) {
	p := newSimple(Env{})
	p.Enable()
	defer p.Close()
	token, err := p.Assign("alice", 1, "abcdefghijklmnop", 12)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := p.Lookup(context.Background(), token, 1); !ok {
				b.Error("not found")
			}
		}
	})
}
