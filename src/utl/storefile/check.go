package storefile

import (
	"fmt"
	"io"
	"os"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc"
	"quoin.dev/storage/schema"
)

// Summary is what a file holds.
type Summary struct {
	// Checksum is whether the file ends in the checksum of a snapshot, which then was found right.
	Checksum        bool   `json:"checksum"`
	Version         string `json:"version"`
	ClusterVersion  string `json:"clusterVersion"`
	Bytes           int64  `json:"bytes"`
	InUseBytes      int64  `json:"inUseBytes"`
	AppliedIndex    uint64 `json:"appliedIndex"`
	AppliedTerm     uint64 `json:"appliedTerm"`
	Revision        int64  `json:"revision"`
	CompactRevision int64  `json:"compactRevision"`
	Keys            int    `json:"keys"`
	Leases          int    `json:"leases"`
	Members         int    `json:"members"`
	Users           int    `json:"users"`
	Roles           int    `json:"roles"`
	Alarms          int    `json:"alarms"`
}

// CheckFile opens a file, which checks its pages, and checks its rows, and its checksum if it has one. read is told how many
// bytes were read for that.
func CheckFile(path string, o Options, read func(bytes int64)) (Summary, error) {
	b, err := Read(path, o)
	if err != nil {
		return Summary{}, err
	}
	defer b.Close()
	sum, err := checkSum(path, read)
	if err != nil {
		return Summary{}, fmt.Errorf("%s: %w", path, err)
	}
	s, err := Check(b)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	s.Checksum = sum
	return s, nil
}

func checkSum(path string, read func(int64)) (has bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !HasChecksum(info.Size()) {
		return false, err
	}
	return true, CopyChecked(io.Discard, f, true, read)
}

// Check reads every row as a member does when it starts, and returns the first one that does not decode, is out of order or
// contradicts its key.
func Check(b *backend.Backend) (Summary, error) {
	s, err := summarize(b)
	if err != nil {
		return s, err
	}
	kv, err := mvcc.Open(b, mvcc.Options{NoCompaction: true})
	if err != nil {
		return s, err
	}
	defer kv.Close()
	s.Revision, s.CompactRevision, s.Keys = kv.Revision(), kv.CompactRevision(), kv.Keys()
	return s, nil
}

// summarize reads the small buckets.
func summarize(b *backend.Backend) (Summary, error) {
	v := b.View()
	defer v.Close()
	s := Summary{Version: schema.StorageVersion(v), ClusterVersion: schema.ClusterVersion(v), Bytes: b.Size(), InUseBytes: b.SizeInUse()}
	applied, err := v.Applied()
	if err != nil {
		return s, err
	}
	s.AppliedIndex, s.AppliedTerm = applied.Index, applied.Term
	if err := schema.CheckStorageVersion(v); err != nil {
		return s, err
	}
	if _, err := schema.RemovedMembers(v); err != nil {
		return s, err
	}
	if _, err := schema.ReadDowngrade(v); err != nil {
		return s, err
	}
	for _, count := range []struct {
		to   *int
		rows func() (int, error)
	}{
		{&s.Members, func() (int, error) { rows, err := schema.Members(v); return len(rows), err }},
		{&s.Leases, func() (int, error) { rows, err := schema.Leases(v); return len(rows), err }},
		{&s.Alarms, func() (int, error) { rows, err := schema.Alarms(v); return len(rows), err }},
		{&s.Users, func() (int, error) { rows, err := schema.Users(v); return len(rows), err }},
		{&s.Roles, func() (int, error) { rows, err := schema.Roles(v); return len(rows), err }},
	} {
		if *count.to, err = count.rows(); err != nil {
			return s, err
		}
	}
	return s, nil
}
