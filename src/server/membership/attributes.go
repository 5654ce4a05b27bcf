package membership

import (
	"fmt"

	"quoin.dev/storage/schema"
)

// SetAttributes records the name and client URLs that a member publishes when it has started. It reports false, and
// changes nothing, for an id that is no member: one that was removed may still have published (etcd#20051).
func (c *Cluster) SetAttributes(id uint64, name string, clientURLs []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.members[id]
	if !ok {
		return false
	}
	m.Name, m.ClientURLs = name, clientURLs
	c.members[id] = m
	schema.PutMember(c.rows, m)
	return true
}

// SetVersion records the version that the cluster speaks from now on. A member whose own version is older must have stopped
// before, as it would misread what the others write: see CheckVersion.
func (c *Cluster) SetVersion(version string) {
	if err := c.options.CheckVersion(version); err != nil {
		panic("membership: " + err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version = version
	schema.PutClusterVersion(c.rows, version)
}

// Version is the version that the cluster speaks, "X.Y.0"; empty before the leader has set it.
func (c *Cluster) Version() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version
}

// SetDowngrade records the start or the end of a downgrade job.
func (c *Cluster) SetDowngrade(d Downgrade) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.downgrade = d
	schema.PutDowngrade(c.rows, d)
}

// Downgrade is the downgrade job, the zero value when there is none.
func (c *Cluster) Downgrade() Downgrade {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.downgrade
}

// CheckVersion refuses a version that the cluster is to speak if this member could not go on with it.
func (c *Cluster) CheckVersion(cluster string) error { return c.options.CheckVersion(cluster) }

// CheckVersion refuses a cluster version that is newer than this member's. Patch levels do not count.
func (o Options) CheckVersion(cluster string) error {
	if o.Version == "" {
		return nil
	}
	local, err := ParseMinor(o.Version)
	if err != nil {
		return fmt.Errorf("version %q of this member does not parse: %w", o.Version, err)
	}
	remote, err := ParseMinor(cluster)
	if err != nil {
		return fmt.Errorf("cluster version %q does not parse: %w", cluster, err)
	}
	if local.Compare(remote) < 0 {
		return fmt.Errorf("the cluster speaks version %s, this member only %s: start it with a version of at least %s, or downgrade "+
			"the cluster first", cluster, o.Version, remote)
	}
	return nil
}
