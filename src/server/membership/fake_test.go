package membership_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"quoin.dev/storage/backend"
)

// rows keeps buckets in memory, as schema.Writer and as schema.Reader.
type rows map[backend.Bucket]map[string]string

func (r rows) Put(bucket backend.Bucket, key, value []byte) {
	if r[bucket] == nil {
		r[bucket] = map[string]string{}
	}
	r[bucket][string(key)] = string(value)
}

func (r rows) Delete(bucket backend.Bucket, key []byte) { delete(r[bucket], string(key)) }

func (r rows) Get(bucket backend.Bucket, key []byte) []byte {
	if v, ok := r[bucket][string(key)]; ok {
		return []byte(v)
	}
	return nil
}

func (r rows) Scan(bucket backend.Bucket, _, _ []byte, fn func(key, value []byte) error) error {
	var keys []string
	for k := range r[bucket] {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := fn([]byte(k), []byte(r[bucket][k])); err != nil {
			return err
		}
	}
	return nil
}

type goldenMember struct {
	Name, ID string
	PeerURLs []string
}

type goldenCluster struct {
	Name, InitialCluster, Token, ClusterID string
	Members                                []goldenMember
	Rows                                   map[string]map[string]string
	ConfChanges                            []struct{ ID, Type, Context string }
}

// golden is what real etcd clusters wrote.
func golden(t *testing.T) []goldenCluster {
	t.Helper()
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Clusters []goldenCluster }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Clusters
}

func (g goldenCluster) rows() rows {
	r := rows{}
	for name, bucket := range map[string]backend.Bucket{
		"members": backend.Members, "members_removed": backend.MembersRemoved, "cluster": backend.Cluster,
	} {
		for k, v := range g.Rows[name] {
			r.Put(bucket, []byte(k), []byte(v))
		}
	}
	return r
}
