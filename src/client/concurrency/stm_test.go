package concurrency_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
)

var isolations = []concurrency.Isolation{
	concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads, concurrency.ReadCommitted,
}

func put(t *testing.T, c *client.Client, key, val string) {
	t.Helper()
	_, err := c.Put(within(t), key, val)
	must(t, err)
}

func TestSTMReadsItsWrites(t *testing.T) {
	_, c := serve(t)
	for _, lvl := range isolations {
		put(t, c, "a", "1")
		put(t, c, "gone", "1")
		resp, err := concurrency.NewSTM(c, func(s concurrency.STM) error {
			if s.Get() != "" || s.Get("a", "b") != "1" || s.Get("b") != "" || s.Rev("a") == 0 || s.Rev("b") != 0 {
				t.Error("wrong reads")
			}
			s.Put("a", "2")
			s.Del("gone")
			if s.Get("a") != "2" || s.Get("gone") != "" {
				t.Error("a write is not seen")
			}
			return nil
		}, concurrency.WithIsolation(lvl), concurrency.WithPrefetch("a", "gone", "a"), concurrency.WithAbortContext(within(t)))
		if err != nil || !resp.Succeeded {
			t.Fatal(resp, err)
		}
		if r, err := c.Get(within(t), "a"); err != nil || string(r.Kvs[0].Value) != "2" || count(t, c, "gone") != 0 {
			t.Errorf("isolation %d: %v, %v", lvl, r, err)
		}
	}
}

// Each case says how often the function runs when others write between its reads, and what it sees at last.
func TestSTMIsolation(t *testing.T) {
	for name, tc := range map[string]struct {
		between string // the key that another writes after a was read
		runs    map[concurrency.Isolation]int
		sees    map[concurrency.Isolation]string // of b in the first run
	}{
		"a key that was read": {"a",
			map[concurrency.Isolation]int{0: 2, 1: 2, 2: 2, 3: 1}, map[concurrency.Isolation]string{0: "old", 1: "old", 2: "old", 3: "old"}},
		"a key that is read later": {"b",
			map[concurrency.Isolation]int{0: 2, 1: 2, 2: 1, 3: 1}, map[concurrency.Isolation]string{0: "old", 1: "old", 2: "new", 3: "new"}},
		"a key that is written": {"w",
			map[concurrency.Isolation]int{0: 2, 1: 1, 2: 1, 3: 1}, map[concurrency.Isolation]string{0: "old", 1: "old", 2: "old", 3: "old"}},
	} {
		for _, lvl := range isolations {
			_, c := serve(t)
			for _, key := range []string{"a", "b", "w"} {
				put(t, c, key, "old")
			}
			runs, saw := 0, ""
			_, err := concurrency.NewSTM(c, func(s concurrency.STM) error {
				s.Get("a")
				if runs++; runs == 1 {
					put(t, c, tc.between, "new")
				}
				if b := s.Get("b"); runs == 1 {
					saw = b
				}
				if s.Get("a") != "old" && runs == 1 {
					t.Error("the second read of a key differs")
				}
				s.Put("w", "mine")
				return nil
			}, concurrency.WithIsolation(lvl))
			must(t, err)
			if runs != tc.runs[lvl] || saw != tc.sees[lvl] {
				t.Errorf("%s, isolation %d: %d runs, saw %s; want %d, %s", name, lvl, runs, saw, tc.runs[lvl], tc.sees[lvl])
			}
		}
	}
}

func TestSTMErrors(t *testing.T) {
	_, c := serve(t)
	mine := errors.New("mine")
	if _, err := concurrency.NewSTM(c, func(s concurrency.STM) error { s.Put("a", "1"); return mine }); err != mine || count(t, c, "a") != 0 {
		t.Error(err)
	}
	func() {
		defer func() {
			if recover() != mine {
				t.Error("a panic was swallowed")
			}
		}()
		_, _ = concurrency.NewSTM(c, func(concurrency.STM) error { panic(mine) })
	}()
	c.Close()
	if _, err := concurrency.NewSTM(c, func(s concurrency.STM) error { s.Get("a"); t.Error("went on"); return nil }); err == nil {
		t.Error("no error of a client that is closed")
	}
}

func TestSTMCounts(t *testing.T) {
	_, c := serve(t)
	for name, stm := range map[string]func(func(concurrency.STM) error) error{
		"snapshot": func(f func(concurrency.STM) error) error { _, err := concurrency.NewSTM(c, f); return err },
		"serializable": func(f func(concurrency.STM) error) error {
			_, err := concurrency.NewSTMSerializable(within(t), c, f)
			return err
		},
		"repeatable": func(f func(concurrency.STM) error) error {
			_, err := concurrency.NewSTMRepeatable(within(t), c, f)
			return err
		},
	} {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 5 {
					if err := stm(func(s concurrency.STM) error {
						n, _ := strconv.Atoi(s.Get(name))
						s.Put(name, strconv.Itoa(n+1))
						return nil
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if r, err := c.Get(within(t), name); err != nil || string(r.Kvs[0].Value) != "20" {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	if _, err := concurrency.NewSTMReadCommitted(within(t), c, func(concurrency.STM) error { return nil }); err != nil {
		t.Error(err)
	}
}
