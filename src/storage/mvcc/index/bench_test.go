package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

const benchKeys = 1_000_000

var benchCache = map[string]*benchSet{}

type benchSet struct {
	x    *Index
	keys [][]byte // in the order they were put
}

// benchIndex makes an index of benchKeys keys put in ascending or random order.
func benchIndex(b *testing.B, order string) *benchSet {
	if s := benchCache[order]; s != nil {
		return s
	}
	s := &benchSet{x: New(), keys: benchOrder(order)}
	for i, k := range s.keys {
		s.x.Put(k, Rev{Main: int64(i + 1)}, false)
	}
	benchCache[order] = s
	return s
}

func benchOrder(order string) [][]byte {
	keys := make([][]byte, benchKeys)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "/registry/pods/production-cluster-namespace-%03d/deploy-%09d", i/150_000, i)
	}
	if order == "random" {
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	// They lie one behind the other, as keys just received do, so that reading them costs the benchmarks nothing.
	flat := bytes.Join(keys, nil)
	for i := range keys {
		keys[i], flat = flat[:len(keys[i])], flat[len(keys[i]):]
	}
	return keys
}

func forOrders(b *testing.B, f func(b *testing.B, order string)) {
	for _, order := range []string{"ascending", "random"} {
		b.Run(order, func(b *testing.B) { f(b, order) })
	}
}

func BenchmarkInsert(b *testing.B) {
	forOrders(b, func(b *testing.B, order string) {
		keys := benchOrder(order)
		keyBytes := 0
		for _, k := range keys {
			keyBytes += len(k)
		}
		var x *Index
		b.ResetTimer()
		for range b.N {
			x = New()
			for i, k := range keys {
				x.Put(k, Rev{Main: int64(i + 1)}, false)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchKeys, "ns/key")
		b.ReportMetric(float64(x.Bytes())/benchKeys, "bytes/key")
		b.ReportMetric(float64(x.Bytes()-int64(keyBytes))/benchKeys, "overhead-bytes/key")
	})
}

func BenchmarkGet(b *testing.B) {
	forOrders(b, func(b *testing.B, order string) {
		s := benchIndex(b, order)
		rng := rand.New(rand.NewPCG(3, 4))
		// The keys asked for lie one behind the other, as if just received.
		probe, flat := make([][]byte, 1<<16), []byte(nil)
		for range probe {
			flat = append(flat, s.keys[rng.IntN(len(s.keys))]...)
		}
		for i := range probe {
			probe[i] = flat[i*len(s.keys[0]) : (i+1)*len(s.keys[0])]
		}
		b.ResetTimer()
		for i := range b.N {
			if _, ok := s.x.Get(probe[i%len(probe)], benchKeys); !ok {
				b.Fatal("a key is missing")
			}
		}
	})
}

func BenchmarkPutExisting(b *testing.B) {
	keys := benchOrder("random")
	x := New()
	for i, k := range keys {
		x.Put(k, Rev{Main: int64(i + 1)}, false)
	}
	b.ResetTimer()
	for i := range b.N {
		x.Put(keys[i*7919%benchKeys], Rev{Main: int64(benchKeys + i + 1)}, false)
	}
	b.StopTimer()
	b.ReportMetric(float64(x.pasts.heldBytes()+x.lives.heldBytes())/float64(b.N), "history-bytes/op")
}

func BenchmarkScan10k(b *testing.B) {
	forOrders(b, func(b *testing.B, order string) {
		s := benchIndex(b, order)
		rng := rand.New(rand.NewPCG(5, 6))
		b.ResetTimer()
		for range b.N {
			n, sum := 0, int64(0)
			s.x.Scan(s.keys[rng.IntN(len(s.keys))], nil, benchKeys, 10_000, func(key []byte, m Meta) bool {
				n++
				sum += m.Mod.Main + int64(key[len(key)-1])
				return true
			})
		}
	})
}

func BenchmarkCountLatest(b *testing.B) {
	s := benchIndex(b, "random")
	for i := range b.N {
		s.x.CountLatest(s.keys[i*7919%benchKeys], s.keys[i*104729%benchKeys])
	}
}

// BenchmarkCompact has one key in a hundred to look at.
func BenchmarkCompact(b *testing.B) {
	s := &benchSet{x: New(), keys: benchOrder("random")}
	rev, dropped := int64(0), 0
	for _, k := range s.keys {
		rev++
		s.x.Put(k, Rev{Main: rev}, false)
	}
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		for i := 0; i < benchKeys; i += 100 {
			rev++
			s.x.Put(s.keys[i], Rev{Main: rev}, false)
		}
		b.StartTimer()
		for next, done := []byte(nil), false; !done; {
			next, done = s.x.Compact(rev, next, 1000, func(Rev) { dropped++ })
		}
	}
	if dropped != b.N*benchKeys/100 {
		b.Fatal("compaction dropped", dropped)
	}
}
