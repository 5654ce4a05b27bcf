// Package membership is the state of the cluster: who belongs to it, who was removed, and which version it speaks.
package membership

import (
	"encoding/json"
	"time"

	"quoin.dev/storage/roster"
)

// The names below are those of storage/roster, which tools share that have no running cluster.

// Member is one member, with the JSON form that its row has.
type Member = roster.Member

// FormatID writes an id the way it stands in rows, URLs, headers and logs.
func FormatID(id uint64) string { return roster.FormatID(id) }

// ParseID reads what FormatID writes.
func ParseID(s string) (uint64, error) { return roster.ParseID(s) }

// FoundingID is the id of a member of a new cluster.
func FoundingID(peerURLs []string, token string) uint64 { return roster.FoundingID(peerURLs, token) }

// AddedID is the id of a member that is added to a running cluster.
func AddedID(peerURLs []string, now time.Time) uint64 { return roster.AddedID(peerURLs, now) }

// ClusterID is the id of a cluster that these members found.
func ClusterID(founders []uint64) uint64 { return roster.ClusterID(founders) }

// IDs lists the ids of members, in their order.
func IDs(members []Member) []uint64 { return roster.IDs(members) }

// ParseInitialCluster reads the members of a new cluster, in the order of their first log entries.
func ParseInitialCluster(initialCluster, token string) ([]Member, error) {
	return roster.ParseFounders(initialCluster, token)
}

// EncodeV2Store writes the image of this cluster that a .snap file carries.
func (c *Cluster) EncodeV2Store() []byte {
	c.mu.RLock()
	version := c.version
	removed := sortedKeys(c.removed)
	c.mu.RUnlock()
	return roster.EncodeImage(c.Members(), removed, version)
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("membership: a value of texts and numbers can not be encoded: " + err.Error())
	}
	return b
}
