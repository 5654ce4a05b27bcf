package mvcc

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"quoin.dev/api/mvccpb"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

// TestEncodingAgainstGenerated holds the hand-made encoding together with the generated one.
func TestEncodingAgainstGenerated(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	number := func() int64 {
		switch r.IntN(4) {
		case 0:
			return 0
		case 1:
			return -r.Int64()
		}
		return r.Int64() >> r.IntN(63)
	}
	for range 5000 {
		kv := keyValue{key: make([]byte, r.IntN(300)), value: make([]byte, r.IntN(300)), create: number(), mod: number(), version: number(), lease: number()}
		want, err := (&mvccpb.KeyValue{Key: kv.key, Value: kv.value, CreateRevision: kv.create, ModRevision: kv.mod, Version: kv.version, Lease: kv.lease}).MarshalVT()
		check(t, err)
		got := kv.encode()
		if !bytes.Equal(got, want) || cap(got) != len(got) {
			t.Fatalf("%+v:\n got %x (room for %d)\nwant %x", kv, got, cap(got), want)
		}
		var again keyValue
		check(t, again.parse(got))
		if !bytes.Equal(again.encode(), want) {
			t.Fatalf("parsed %+v from %x", again, want)
		}
	}
}

// FuzzParse: whatever a file holds, parsing ends with an error or with what the generated code reads.
func FuzzParse(f *testing.F) {
	f.Add((&keyValue{key: []byte("k"), create: 2, mod: 3, version: 1, value: []byte("v"), lease: -1}).encode())
	f.Add([]byte{0x0a, 0xff})
	f.Add([]byte{0x98, 0x00, 0xff, 0x30}) // field 3 with a number that takes more bytes than it needs
	f.Add([]byte{0x38, 0x01, 0x0a, 0x01, 'k'})
	f.Fuzz(func(t *testing.T, data []byte) {
		var kv keyValue
		var want mvccpb.KeyValue
		err, wantErr := kv.parse(data), want.UnmarshalVT(data)
		if wantErr == nil && err == nil && (!bytes.Equal(kv.key, want.GetKey()) || !bytes.Equal(kv.value, want.GetValue()) ||
			kv.mod != want.GetModRevision() || kv.create != want.GetCreateRevision() || kv.version != want.GetVersion() || kv.lease != want.GetLease()) {
			t.Fatalf("parsed %+v, want %v", kv, &want)
		}
	})
}

// TestFlippedBits opens damaged copies of a file with everything that reads it: there may be errors, and no panic.
func TestFlippedBits(t *testing.T) {
	whole, dir := gunzip(t, "single37.db.gz"), t.TempDir()
	r, refused := rand.New(rand.NewPCG(8, 9)), 0
	for range 150 {
		data := bytes.Clone(whole)
		for range 1 + r.IntN(3) {
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		path := filepath.Join(dir, "db")
		check(t, os.WriteFile(path, data, 0o600))
		if err := readAll(path); err != nil {
			refused++
		}
	}
	t.Logf("%d of 150 damaged files were refused", refused)
}

func readAll(path string) error {
	b, err := backend.Open(backend.Options{Path: path, MmapBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	s, err := Open(b, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Range(context.Background(), []byte{0}, []byte{0}, RangeOptions{Target: ByValue}, func([]byte) error { return nil }); err != nil {
		return err
	}
	if _, err := s.HashKV(0); err != nil {
		return err
	}
	v := b.View()
	defer v.Close()
	for _, read := range []func() error{
		func() error { _, err := schema.Members(v); return err },
		func() error { _, err := schema.RemovedMembers(v); return err },
		func() error { _, err := schema.Leases(v); return err },
		func() error { _, err := schema.Alarms(v); return err },
		func() error { _, err := schema.Users(v); return err },
		func() error { _, err := schema.Roles(v); return err },
		func() error { _, err := schema.ReadDowngrade(v); return err },
		func() error { return schema.CheckStorageVersion(v) },
	} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}
