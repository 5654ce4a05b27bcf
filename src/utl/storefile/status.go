package storefile

import (
	"fmt"
	"hash/crc32"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc"
)

// Status is what `snapshot status` says. The tags and the order are those of etcdutl's JSON, and its ways: Revision is of the
// last row, 0 without one, and the row of a bumped revision counts as a key. Summary says it better.
type Status struct {
	Hash      uint32 `json:"hash"`
	Revision  int64  `json:"revision"`
	TotalKey  int    `json:"totalKey"`
	TotalSize int64  `json:"totalSize"`
	Version   string `json:"version"`
}

// HashKV is what `hashkv` says.
type HashKV struct {
	Hash            uint32 `json:"hash"`
	HashRevision    int64  `json:"hashRevision"`
	CompactRevision int64  `json:"compactRevision"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ReadStatus reads every row of a file. read is told how many bytes of rows were read so far.
func ReadStatus(path string, o Options, read func(bytes int64)) (Status, error) {
	b, err := Read(path, o)
	if err != nil {
		return Status{}, err
	}
	defer b.Close()
	s := Status{TotalSize: b.Size(), Version: Version(b)}
	hash, bytes, bumped := crc32.New(castagnoli), int64(0), 0
	err = b.Walk(func(bucket, key, value []byte) error {
		if key == nil {
			_, _ = hash.Write(bucket)
			return nil
		}
		if string(bucket) == backend.Key.Name() {
			row, _, err := backend.ParseRevisionKey(key)
			if err != nil {
				return err
			}
			s.Revision = row.Main
			if len(value) == 0 {
				bumped = 1
			}
		}
		_, _ = hash.Write(key)
		_, _ = hash.Write(value)
		bytes += int64(len(key) + len(value))
		read(bytes)
		return nil
	})
	if err != nil {
		return Status{}, fmt.Errorf("%s: %w", path, err)
	}
	s.Hash = hash.Sum32()
	kv, err := mvcc.Open(b, mvcc.Options{NoCompaction: true})
	if err != nil {
		return Status{}, fmt.Errorf("%s: %w", path, err)
	}
	defer kv.Close()
	s.TotalKey = kv.Keys() + bumped
	return s, nil
}

// ReadHashKV hashes the keys at a revision, 0 for the newest. Unlike etcdutl it leaves the file as it is.
func ReadHashKV(path string, revision int64, o Options) (HashKV, error) {
	b, err := Read(path, o)
	if err != nil {
		return HashKV{}, err
	}
	defer b.Close()
	return hashKV(b, revision)
}

func hashKV(b *backend.Backend, revision int64) (HashKV, error) {
	kv, err := mvcc.Open(b, mvcc.Options{NoCompaction: true})
	if err != nil {
		return HashKV{}, err
	}
	defer kv.Close()
	h, err := kv.HashKV(revision)
	return HashKV{Hash: h.Hash, HashRevision: h.HashRevision, CompactRevision: h.CompactRevision}, err
}
