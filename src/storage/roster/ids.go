// Package roster is what a list of members looks like outside of the database: ids, the first entries of a log, and the
// image in a .snap file.
package roster

import (
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/storage/schema"
)

// Member is one member, with the JSON form that its row has.
type Member = schema.Member

// FormatID writes an id the way it stands in rows, URLs, headers and logs: lower-case hex without leading zeros.
func FormatID(id uint64) string { return strconv.FormatUint(id, 16) }

// ParseID reads what FormatID writes.
func ParseID(s string) (uint64, error) { return strconv.ParseUint(s, 16, 64) }

// FoundingID is the id of a member of a new cluster. Every founder computes the same ids from the same flags.
func FoundingID(peerURLs []string, token string) uint64 {
	return memberID(peerURLs, token)
}

// AddedID is the id of a member that is added to a running cluster. The time keeps it apart from earlier members with
// the same URLs, whose ids must not come back once removed.
func AddedID(peerURLs []string, now time.Time) uint64 {
	return memberID(peerURLs, strconv.FormatInt(now.Unix(), 10))
}

func memberID(peerURLs []string, suffix string) uint64 {
	sorted := slices.Sorted(slices.Values(peerURLs))
	h := sha1.New()
	for _, u := range sorted {
		h.Write([]byte(u))
	}
	h.Write([]byte(suffix))
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// ClusterID is the id of a cluster that these members found.
func ClusterID(founders []uint64) uint64 {
	var b []byte
	for _, id := range slices.Sorted(slices.Values(founders)) {
		b = binary.BigEndian.AppendUint64(b, id)
	}
	sum := sha1.Sum(b)
	return binary.BigEndian.Uint64(sum[:])
}

// Sort puts members in the order of their ids and returns them.
func Sort(list []Member) []Member {
	slices.SortFunc(list, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// IDs lists the ids of members, in their order.
func IDs(members []Member) []uint64 {
	ids := make([]uint64, len(members))
	for i, m := range members {
		ids[i] = m.ID
	}
	return ids
}

// AddChange is the change that adds m, as a learner if it is one.
func AddChange(m Member) *raftpb.ConfChange {
	kind := raftpb.ConfChangeAddNode
	if m.IsLearner {
		kind = raftpb.ConfChangeAddLearnerNode
	}
	return &raftpb.ConfChange{Type: kind.Enum(), NodeId: new(m.ID), Context: mustJSON(m)}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("roster: a value of texts and numbers can not be encoded: " + err.Error())
	}
	return b
}
