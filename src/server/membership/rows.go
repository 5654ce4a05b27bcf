package membership

import (
	"encoding/json"
	"fmt"

	"quoin.dev/storage/backend"
)

// Keys of the cluster bucket and the value of every row of members_removed.
const (
	versionKey   = "clusterVersion"
	downgradeKey = "downgrade"
	removedRow   = "removed"
)

// Rows are the stored rows to load from. *backend.View is one.
type Rows interface {
	Get(bucket backend.Bucket, key []byte) []byte
	Scan(bucket backend.Bucket, from, to []byte, fn func(key, value []byte) error) error
}

// Load returns the cluster that the stored rows describe; it persists further changes into rows.
func Load(stored Rows, rows Persister, o Options) (*Cluster, error) {
	c := New(rows, o)
	err := stored.Scan(backend.Members, nil, nil, func(key, value []byte) error {
		m, err := DecodeMember(value)
		if err != nil {
			return err
		}
		if FormatID(m.ID) != string(key) {
			return fmt.Errorf("membership: row %q of the members bucket holds member %s", key, FormatID(m.ID))
		}
		c.members[m.ID] = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = stored.Scan(backend.MembersRemoved, nil, nil, func(key, _ []byte) error {
		id, err := ParseID(string(key))
		if err != nil {
			return fmt.Errorf("membership: row %q of the members_removed bucket is not a member id: %w", key, err)
		}
		// A row in both buckets is what a crash of an old version left; removed wins (etcd#20967).
		delete(c.members, id)
		c.removed[id] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	if c.version = string(stored.Get(backend.Cluster, []byte(versionKey))); c.version != "" {
		if err := o.CheckVersion(c.version); err != nil {
			return nil, fmt.Errorf("membership: %w", err)
		}
	}
	if row := stored.Get(backend.Cluster, []byte(downgradeKey)); row != nil {
		if err := json.Unmarshal(row, &c.downgrade); err != nil {
			return nil, fmt.Errorf("membership: row of the downgrade job does not decode: %w", err)
		}
	}
	return c, nil
}
