package storefile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/storage/backend"
)

// vtMessage is a message with generated marshalling.
type vtMessage interface{ MarshalVT() ([]byte, error) }

func encode(t testing.TB, m vtMessage) []byte {
	t.Helper()
	data, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// save makes a file of rows, and returns its content.
func save(t testing.TB, path string, put func(*backend.Backend)) []byte {
	t.Helper()
	b, err := backend.Open(backend.Options{Path: path, MmapBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	put(b)
	b.Commit(backend.Applied{Index: 1, Term: 1})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func kv(t testing.TB, revision int64) []byte {
	return encode(t, &mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 2, ModRevision: revision, Version: revision - 1})
}

// read does all that is done to a file, and wants the same verdict twice.
func read(t *testing.T, path string) {
	t.Helper()
	o := Options{Logger: zap.NewNop()}
	summary, err := CheckFile(path, o, func(int64) {})
	again, sameErr := CheckFile(path, o, func(int64) {})
	if summary != again || fmt.Sprint(err) != fmt.Sprint(sameErr) {
		t.Errorf("first %+v, %v; then %+v, %v", summary, err, again, sameErr)
	}
	if _, status := ReadStatus(path, o, func(int64) {}); err == nil && status != nil {
		t.Errorf("a file without a fault has no status: %v", status)
	}
}

// FuzzRow: a row of any content in any bucket is accepted or named, and nothing panics.
func FuzzRow(f *testing.F) {
	whole := save(f, filepath.Join(f.TempDir(), "db"), func(b *backend.Backend) { b.PutRevision(backend.Revision{Main: 2}, false, kv(f, 2)) })
	row := func(main int64, tombstone bool) []byte {
		return backend.AppendRevisionKey(nil, backend.Revision{Main: main}, tombstone)
	}
	f.Add("key", row(3, false), kv(f, 3))
	f.Add("key", row(3, true), kv(f, 3))
	f.Add("key", row(3, false), []byte{})
	f.Add("key", []byte("short"), []byte{})
	f.Add("meta", []byte("scheduledCompactRev"), row(2, false))
	f.Add("meta", []byte("finishedCompactRev"), []byte{1})
	f.Add("meta", []byte("confState"), []byte(`{"voters":[1]}`))
	f.Add("meta", []byte("consistent_index"), []byte{1})
	f.Add("lease", []byte{0, 0, 0, 0, 0, 0, 0, 5}, encode(f, &leasepb.Lease{ID: 5, TTL: 60}))
	f.Add("alarm", encode(f, &pb.AlarmMember{MemberID: 1, Alarm: pb.AlarmType_NOSPACE}), []byte{})
	f.Add("members", []byte("1f"), []byte(`{"id":31}`))
	f.Add("members_removed", []byte("1f"), []byte("removed"))
	f.Add("cluster", []byte("downgrade"), []byte(`{"target-version":"3.6.0","enabled":true}`))
	f.Add("authUsers", []byte("bob"), encode(f, &authpb.User{Name: []byte("bob")}))
	f.Add("authRoles", []byte("r"), encode(f, &authpb.Role{Name: []byte("r")}))
	f.Add("another", []byte("k"), []byte("v"))
	f.Fuzz(func(t *testing.T, bucket string, key, value []byte) {
		path := filepath.Join(t.TempDir(), "db")
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		err = file.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte(bucket))
			if err != nil {
				return err
			}
			return b.Put(key, value)
		})
		if errors.Join(err, file.Close()) != nil {
			return // no row
		}
		read(t, path)
	})
}

// FuzzDatabase: so is a file in which any bytes were written over, cut off or appended.
func FuzzDatabase(f *testing.F) {
	whole := save(f, filepath.Join(f.TempDir(), "db"), func(b *backend.Backend) {
		for i := int64(2); i < 60; i++ {
			b.PutRevision(backend.Revision{Main: i}, false, kv(f, i))
		}
		b.Put(backend.Lease, []byte{0, 0, 0, 0, 0, 0, 0, 5}, encode(f, &leasepb.Lease{ID: 5, TTL: 60}))
	})
	sum := sha256.Sum256(whole)
	f.Add(uint32(0), []byte{}, uint32(len(whole)))
	f.Add(uint32(len(whole)), sum[:], uint32(len(whole)+len(sum)))
	f.Add(uint32(len(whole)), make([]byte, len(sum)), uint32(len(whole)+len(sum)))
	f.Add(uint32(16), []byte{0xff}, uint32(len(whole)))
	f.Add(uint32(os.Getpagesize()*3+8), []byte{0xff, 0xff}, uint32(len(whole)))
	f.Add(uint32(0), []byte{}, uint32(os.Getpagesize()))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, size uint32) {
		if int(at) > len(whole) || len(patch) > len(whole) || int(size) > 2*len(whole) {
			return
		}
		content := make([]byte, max(len(whole), int(at)+len(patch), int(size)))
		copy(content, whole)
		copy(content[at:], patch)
		path := filepath.Join(t.TempDir(), "db")
		if err := os.WriteFile(path, content[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		read(t, path)
	})
}
