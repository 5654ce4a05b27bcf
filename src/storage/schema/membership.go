package schema

import (
	"encoding/json"
	"fmt"
	"strconv"

	"quoin.dev/storage/backend"
)

// Member is one member. The JSON form is the row of the members bucket, and with that the context of a conf change and an
// element of GET /members; the order of the fields is that of etcd. Slices are shared and must not be changed.
type Member struct {
	ID         uint64   `json:"id"`
	PeerURLs   []string `json:"peerURLs"`
	IsLearner  bool     `json:"isLearner,omitempty"`
	Name       string   `json:"name,omitempty"`
	ClientURLs []string `json:"clientURLs,omitempty"`
}

// Started tells whether the member has ever run: a member publishes its name when it starts.
func (m Member) Started() bool { return m.Name != "" }

// Downgrade is a downgrade job, running or cancelled. The JSON form is the row cluster/downgrade.
type Downgrade struct {
	TargetVersion string `json:"target-version"`
	Enabled       bool   `json:"enabled"`
}

var (
	keyClusterVersion = []byte("clusterVersion")
	keyDowngrade      = []byte("downgrade")
	removedValue      = []byte("removed")
)

func memberKey(id uint64) []byte { return strconv.AppendUint(nil, id, 16) }

func parseMemberKey(bucket backend.Bucket, key []byte) (uint64, error) {
	id, err := strconv.ParseUint(string(key), 16, 64)
	if err != nil || string(memberKey(id)) != string(key) {
		return 0, fmt.Errorf("bucket %s: key %q is not a member id: restore the member from a snapshot", bucket.Name(), key)
	}
	return id, nil
}

// Members reads the members, ascending by the text of their id.
func Members(r Reader) (out []Member, err error) {
	err = r.Scan(backend.Members, nil, nil, func(key, value []byte) error {
		id, err := parseMemberKey(backend.Members, key)
		if err != nil {
			return err
		}
		var m Member
		if err := json.Unmarshal(value, &m); err != nil {
			return fmt.Errorf("member %x: its row does not decode: %w: restore the member from a snapshot", id, err)
		}
		if m.ID != id {
			return fmt.Errorf("member %x: the row says its id is %x: restore the member from a snapshot", id, m.ID)
		}
		out = append(out, m)
		return nil
	})
	return out, err
}

// PutMember sets a member's row.
func PutMember(w Writer, m Member) { w.Put(backend.Members, memberKey(m.ID), mustJSON(m)) }

// RemoveMember removes a member's row and remembers that its id is gone for good.
func RemoveMember(w Writer, id uint64) {
	w.Delete(backend.Members, memberKey(id))
	w.Put(backend.MembersRemoved, memberKey(id), removedValue)
}

// RemovedMembers reads the ids that were removed.
func RemovedMembers(r Reader) (out []uint64, err error) {
	err = r.Scan(backend.MembersRemoved, nil, nil, func(key, _ []byte) error {
		id, err := parseMemberKey(backend.MembersRemoved, key)
		out = append(out, id)
		return err
	})
	return out, err
}

// ClearMembership removes every member and removed-member row: for a restored snapshot that begins a new cluster.
func ClearMembership(r Reader, w Writer) error {
	for _, bucket := range []backend.Bucket{backend.Members, backend.MembersRemoved} {
		var keys [][]byte
		err := r.Scan(bucket, nil, nil, func(key, _ []byte) error {
			keys = append(keys, append([]byte(nil), key...))
			return nil
		})
		if err != nil {
			return err
		}
		for _, key := range keys {
			w.Delete(bucket, key)
		}
	}
	return nil
}

// ClusterVersion is the agreed version, for example "3.7.0"; "" when none was agreed on yet.
func ClusterVersion(r Reader) string { return string(r.Get(backend.Cluster, keyClusterVersion)) }

// PutClusterVersion sets the agreed version.
func PutClusterVersion(w Writer, version string) {
	w.Put(backend.Cluster, keyClusterVersion, []byte(version))
}

// ReadDowngrade reads the downgrade row; the zero value when there is none.
func ReadDowngrade(r Reader) (d Downgrade, err error) {
	if row := r.Get(backend.Cluster, keyDowngrade); row != nil {
		if err = json.Unmarshal(row, &d); err != nil {
			return d, fmt.Errorf("cluster/downgrade: the row does not decode: %w: restore the member from a snapshot", err)
		}
	}
	return d, nil
}

// PutDowngrade sets the downgrade row.
func PutDowngrade(w Writer, d Downgrade) { w.Put(backend.Cluster, keyDowngrade, mustJSON(d)) }

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("schema: a row of plain strings and numbers did not encode: %v", err))
	}
	return data
}
