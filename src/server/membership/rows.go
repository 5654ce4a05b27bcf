package membership

import (
	"fmt"

	"quoin.dev/storage/schema"
)

// Load returns the cluster that the stored rows describe; it persists further changes into rows.
func Load(stored schema.Reader, rows schema.Writer, o Options) (*Cluster, error) {
	c := New(rows, o)
	members, err := schema.Members(stored)
	if err != nil {
		return nil, fmt.Errorf("membership: %w", err)
	}
	for _, m := range members {
		c.members[m.ID] = m
	}
	removed, err := schema.RemovedMembers(stored)
	if err != nil {
		return nil, fmt.Errorf("membership: %w", err)
	}
	for _, id := range removed {
		// A row in both buckets is what a crash of an old version left; removed wins (etcd#20967).
		delete(c.members, id)
		c.removed[id] = true
	}
	if c.version = schema.ClusterVersion(stored); c.version != "" {
		if err := o.CheckVersion(c.version); err != nil {
			return nil, fmt.Errorf("membership: %w", err)
		}
	}
	if c.downgrade, err = schema.ReadDowngrade(stored); err != nil {
		return nil, fmt.Errorf("membership: %w", err)
	}
	return c, nil
}
