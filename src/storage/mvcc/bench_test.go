package mvcc

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"quoin.dev/storage/backend"
)

func filled(b *testing.B, keys, valueBytes int) *Store {
	b.Helper()
	be, err := backend.Open(backend.Options{Path: filepath.Join(b.TempDir(), "db")})
	check(b, err)
	s, err := Open(be, Options{})
	check(b, err)
	b.Cleanup(func() { s.Close(); _ = be.Abandon() })
	value := make([]byte, valueBytes)
	for i := range keys {
		txn := s.Begin()
		txn.Put(benchKey(i, keys), value, 0)
		txn.End()
		be.Commit(backend.Applied{Index: uint64(i + 1), Term: 1})
	}
	check(b, be.Flush())
	return s
}

// benchKey scatters keys, so that key order is not revision order.
func benchKey(i, keys int) []byte { return fmt.Appendf(nil, "key-%012d", i*7919%keys) }

func BenchmarkPut(b *testing.B) {
	be, err := backend.Open(backend.Options{Path: filepath.Join(b.TempDir(), "db")})
	check(b, err)
	s, err := Open(be, Options{})
	check(b, err)
	b.Cleanup(func() { s.Close(); _ = be.Abandon() })
	value, key := make([]byte, 256), make([]byte, 0, 64)
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		key = fmt.Appendf(key[:0], "key-%012d", i*7919%1000000)
		txn := s.Begin()
		txn.Put(key, value, 0)
		txn.End()
		be.Commit(backend.Applied{Index: uint64(i), Term: 1})
	}
}

func BenchmarkGet(b *testing.B) {
	const keys = 100_000
	s := filled(b, keys, 256)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		info, err := s.Range(context.Background(), benchKey(i, keys), nil, RangeOptions{}, func([]byte) error { return nil })
		if err != nil || info.Kvs != 1 {
			b.Fatal(info, err)
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	const keys = 100_000
	s := filled(b, keys, 256)
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i += 31 {
			if info, err := s.Range(context.Background(), benchKey(i, keys), nil, RangeOptions{}, func([]byte) error { return nil }); err != nil || info.Kvs != 1 {
				b.Error(info, err)
				return
			}
		}
	})
}

func BenchmarkRange10k(b *testing.B) {
	s := filled(b, 10_000, 1024)
	buf := make([]byte, 0, 16<<20)
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		info, err := s.Range(context.Background(), []byte("key-"), []byte("key."), RangeOptions{}, func(kv []byte) error {
			buf = append(buf, kv...)
			return nil
		})
		if err != nil || info.Kvs != 10_000 {
			b.Fatal(info, err)
		}
		b.SetBytes(int64(len(buf)))
	}
}

func BenchmarkMillion(b *testing.B) {
	const keys = 1_000_000
	s := filled(b, keys, 64)
	for name, o := range map[string]RangeOptions{"count": {CountOnly: true}, "limit500": {Limit: 500}, "keys-only500": {Limit: 500, KeysOnly: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if info, err := s.Range(context.Background(), []byte{0}, []byte{0}, o, func([]byte) error { return nil }); err != nil || info.Count != keys {
					b.Fatal(info, err)
				}
			}
		})
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			again, err := Open(s.b, Options{})
			check(b, err)
			again.Close()
		}
	})
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			_, err := s.HashKV(0)
			check(b, err)
		}
	})
}
