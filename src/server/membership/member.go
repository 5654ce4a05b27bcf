// Package membership is the state of the cluster: who belongs to it, who was removed, and which version it speaks.
package membership

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Member is one member. The JSON form is the row of the members bucket, the context of a conf change and an element of
// GET /members alike; the order of the fields is that of etcd. Slices are shared and must not be changed.
type Member struct {
	ID         uint64   `json:"id"`
	PeerURLs   []string `json:"peerURLs"`
	IsLearner  bool     `json:"isLearner,omitempty"`
	Name       string   `json:"name,omitempty"`
	ClientURLs []string `json:"clientURLs,omitempty"`
}

// Started tells whether the member has ever run: a member publishes its name when it starts.
func (m Member) Started() bool { return m.Name != "" }

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

// EncodeMember writes the row of a member.
func EncodeMember(m Member) []byte { return mustJSON(m) }

// DecodeMember reads the row of a member.
func DecodeMember(row []byte) (Member, error) {
	var m Member
	if err := json.Unmarshal(row, &m); err != nil {
		return Member{}, fmt.Errorf("membership: row of a member does not decode: %w", err)
	}
	return m, nil
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("membership: a value of texts and numbers can not be encoded: " + err.Error())
	}
	return b
}
