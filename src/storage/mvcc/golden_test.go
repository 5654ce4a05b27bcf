package mvcc

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

// The golden files were written by etcd 3.6 and 3.7; next to each is what etcd's clients and tools said it holds.

// text is a byte string in the golden JSON: plain, hex, or the length and head of a long one.
type text struct {
	plain string
	hex   string
	head  string
	n     int
}

func (x *text) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &x.plain)
	}
	var o struct {
		Hex     string `json:"hex"`
		First16 string `json:"first16_hex"`
		Len     int    `json:"len"`
	}
	err := json.Unmarshal(data, &o)
	x.hex, x.head, x.n = o.Hex, o.First16, o.Len
	return err
}

func (x text) is(b []byte) bool {
	switch {
	case x.n > 0:
		return len(b) == x.n && hex.EncodeToString(b[:16]) == x.head
	case x.hex != "":
		return hex.EncodeToString(b) == x.hex
	}
	return string(b) == x.plain
}

type goldenKV struct {
	Key, Value text
	Create     int64 `json:"create_revision"`
	Mod        int64 `json:"mod_revision"`
	Version    int64
	Lease      json.RawMessage
}

type golden struct {
	Live struct {
		Revision  int64
		KVs       []goldenKV
		Endpoints []struct {
			HashKV struct {
				Hash    uint32
				Compact int64 `json:"compact_revision"`
				At      int64 `json:"hash_revision"`
			} `json:"hashkv"`
			HashKVAt []struct {
				At, Compact int64
				Hash        uint32
				CompactRev  int64 `json:"compact_revision"`
			} `json:"hashkv_at"`
		}
		Members []struct {
			ID, Name   string
			PeerURLs   []string `json:"peer_urls"`
			ClientURLs []string `json:"client_urls"`
			Learner    bool     `json:"is_learner"`
		}
		Leases []struct {
			ID   string
			TTL  int64 `json:"granted_ttl"`
			Keys []text
		}
		Alarms []struct {
			Alarm  string
			Member string `json:"member_id"`
		}
		Auth struct {
			Enabled  bool
			Revision uint64
			Roles    []struct{ Name string }
			Users    []struct {
				Name  string
				Roles []string
			}
		}
	}
	Bolt   map[string]json.RawMessage
	Status struct {
		Hash      uint32
		Revision  int64
		TotalKey  int
		TotalSize int64
		Version   string
	}
}

func gunzip(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	data, err := io.ReadAll(z)
	check(t, err)
	return data
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"single37", "auth37", "single36", "cluster37-n1", "cluster37-n2", "cluster37-n3", "single37-snapshot", "single36-snapshot"} {
		t.Run(name, func(t *testing.T) { testGolden(t, name) })
	}
}

func testGolden(t *testing.T, name string) {
	var g golden
	check(t, json.Unmarshal(gunzip(t, name+".json.gz"), &g))
	path := filepath.Join(t.TempDir(), "db")
	check(t, os.WriteFile(path, gunzip(t, name+".db.gz"), 0o600))
	// Once as a tool would, and once for writing, as a member would.
	for _, readOnly := range []bool{true, false} {
		b, err := backend.Open(backend.Options{Path: path, ReadOnly: readOnly})
		check(t, err)
		leases := newTracker()
		s, err := Open(b, Options{Leases: leases})
		check(t, err)
		g.checkKeys(t, s)
		g.checkHashes(t, s)
		g.checkLeases(t, leases)
		v := b.View()
		g.checkRows(t, v)
		g.checkSchema(t, v)
		v.Close()
		g.checkStatus(t, b, s)
		s.Close()
		check(t, b.Close())
	}
	after, err := os.ReadFile(path)
	check(t, err)
	if !bytes.Equal(after, gunzip(t, name+".db.gz")) {
		t.Error("opening and closing changed the file")
	}
}

func (g *golden) checkKeys(t *testing.T, s *Store) {
	t.Helper()
	if s.Revision() != g.Live.Revision {
		t.Fatalf("revision %d, want %d", s.Revision(), g.Live.Revision)
	}
	var kvs []keyValue
	info, err := s.Range(context.Background(), []byte{0}, []byte{0}, RangeOptions{}, func(raw []byte) error {
		kvs = append(kvs, mustParse(bytes.Clone(raw)))
		return nil
	})
	check(t, err)
	if len(kvs) != len(g.Live.KVs) || info.Count != int64(len(kvs)) {
		t.Fatalf("%d keys, count %d, want %d", len(kvs), info.Count, len(g.Live.KVs))
	}
	for i, want := range g.Live.KVs {
		got := kvs[i]
		if !want.Key.is(got.key) || !want.Value.is(got.value) || want.Create != got.create || want.Mod != got.mod || want.Version != got.version || (len(want.Lease) > 0) != (got.lease != 0) {
			t.Errorf("key %d: got %+v, want %+v", i, got, want)
		}
	}
}

func (g *golden) checkHashes(t *testing.T, s *Store) {
	t.Helper()
	for _, e := range g.Live.Endpoints {
		h, err := s.HashKV(0)
		check(t, err)
		if h.Hash != e.HashKV.Hash || h.CompactRevision != e.HashKV.Compact || h.HashRevision != e.HashKV.At {
			t.Errorf("hash %+v, want %+v", h, e.HashKV)
		}
		for _, at := range e.HashKVAt {
			h, err := s.HashKV(at.At)
			check(t, err)
			// The hash at the compact revision covers rows that were deleted since; only the process that compacted knows it.
			if at.At != s.CompactRevision() && (h.Hash != at.Hash || h.CompactRevision != at.CompactRev) {
				t.Errorf("hash at %d: %+v, want %+v", at.At, h, at)
			}
		}
	}
}

func (g *golden) checkLeases(t *testing.T, leases *tracker) {
	t.Helper()
	total := 0
	for _, l := range g.Live.Leases {
		var id int64
		raw, err := hex.DecodeString(l.ID)
		check(t, err)
		id = int64(binary.BigEndian.Uint64(raw))
		total += len(l.Keys)
		for _, key := range l.Keys {
			if !slices.ContainsFunc(leases.keys(id), func(k string) bool { return key.is([]byte(k)) }) {
				t.Errorf("lease %x lacks key %+v: has %q", id, key, leases.keys(id))
			}
		}
	}
	if leases.total() != total {
		t.Errorf("%d keys on leases, want %d", leases.total(), total)
	}
}

// checkRows compares every revision, history and tombstones included.
func (g *golden) checkRows(t *testing.T, v *backend.View) {
	t.Helper()
	var rows []struct {
		KV        goldenKV
		Main      int64
		Sub       int32
		Tombstone bool
	}
	check(t, json.Unmarshal(g.Bolt["bucket:key"], &rows))
	check(t, v.Scan(backend.Key, nil, nil, func(key, value []byte) error {
		if len(rows) == 0 {
			return fmt.Errorf("unexpected row %x", key)
		}
		want := rows[0]
		rows = rows[1:]
		r, tombstone, err := backend.ParseRevisionKey(key)
		kv := mustParse(value)
		if err != nil || r.Main != want.Main || r.Sub != want.Sub || tombstone != want.Tombstone || !want.KV.Key.is(kv.key) || !want.KV.Value.is(kv.value) || kv.mod != want.KV.Mod || kv.create != want.KV.Create || kv.version != want.KV.Version {
			return fmt.Errorf("row %v %v: %+v, want %+v", r, tombstone, kv, want)
		}
		if again := kv.encode(); !bytes.Equal(again, value) {
			return fmt.Errorf("row %v: encoded again it is %x, not %x", r, again, value)
		}
		return nil
	}))
	if len(rows) != 0 {
		t.Errorf("%d rows are missing", len(rows))
	}
}

func (g *golden) checkSchema(t *testing.T, v *backend.View) {
	t.Helper()
	a, err := v.Applied()
	check(t, err)
	check(t, schema.CheckStorageVersion(v))
	var meta []struct {
		Key   string
		Value string
		Hex   string `json:"value_hex"`
	}
	check(t, json.Unmarshal(g.Bolt["bucket:meta"], &meta))
	for _, row := range meta {
		if got := hex.EncodeToString(v.Get(backend.Meta, []byte(row.Key))); got != row.Hex {
			t.Errorf("meta/%s: %s, want %s", row.Key, got, row.Hex)
		}
		switch row.Key {
		case "consistent_index":
			if hex.EncodeToString(binary.BigEndian.AppendUint64(nil, a.Index)) != row.Hex {
				t.Errorf("index %d", a.Index)
			}
		case "storageVersion":
			if schema.StorageVersion(v) != row.Value {
				t.Errorf("storage version %q", schema.StorageVersion(v))
			}
		}
	}
	members, err := schema.Members(v)
	check(t, err)
	if len(members) != len(g.Live.Members) {
		t.Errorf("%d members, want %d", len(members), len(g.Live.Members))
	}
	for _, want := range g.Live.Members {
		if !slices.ContainsFunc(members, func(m schema.Member) bool {
			return fmt.Sprintf("%016x", m.ID) == want.ID && m.Name == want.Name && m.IsLearner == want.Learner && slices.Equal(m.PeerURLs, want.PeerURLs) && slices.Equal(m.ClientURLs, want.ClientURLs)
		}) {
			t.Errorf("member %+v is missing in %+v", want, members)
		}
	}
	leases, err := schema.Leases(v)
	check(t, err)
	if len(leases) != len(g.Live.Leases) {
		t.Errorf("%d leases, want %d", len(leases), len(g.Live.Leases))
	}
	for _, want := range g.Live.Leases {
		found := false
		for _, l := range leases {
			found = found || (fmt.Sprintf("%016x", uint64(l.GetID())) == want.ID && l.GetTTL() == want.TTL)
		}
		if !found {
			t.Errorf("lease %+v is missing", want)
		}
	}
	alarms, err := schema.Alarms(v)
	check(t, err)
	if len(alarms) != len(g.Live.Alarms) {
		t.Errorf("%d alarms, want %d", len(alarms), len(g.Live.Alarms))
	}
	for i, want := range g.Live.Alarms {
		if fmt.Sprintf("%016x", alarms[i].GetMemberID()) != want.Member || alarms[i].GetAlarm().String() != want.Alarm {
			t.Errorf("alarm %v, want %+v", alarms[i], want)
		}
	}
	users, err := schema.Users(v)
	check(t, err)
	roles, err := schema.Roles(v)
	check(t, err)
	auth := g.Live.Auth
	if schema.AuthEnabled(v) != auth.Enabled || schema.AuthRevision(v) != auth.Revision || len(users) != len(auth.Users) || len(roles) != len(auth.Roles) {
		t.Errorf("auth: %v %d, %d users, %d roles, want %+v", schema.AuthEnabled(v), schema.AuthRevision(v), len(users), len(roles), auth)
	}
	for i, u := range auth.Users {
		if string(users[i].GetName()) != u.Name || !slices.Equal(users[i].GetRoles(), u.Roles) {
			t.Errorf("user %v, want %+v", users[i], u)
		}
	}
}

// checkStatus compares what etcdutl says of a snapshot file.
func (g *golden) checkStatus(t *testing.T, b *backend.Backend, s *Store) {
	t.Helper()
	if g.Status.Hash == 0 {
		return
	}
	h, err := b.Hash(nil)
	check(t, err)
	if h != g.Status.Hash || s.Revision() != g.Status.Revision || b.Size() != g.Status.TotalSize || s.Keys() != g.Status.TotalKey {
		t.Errorf("status: hash %d revision %d size %d keys %d, want %+v", h, s.Revision(), b.Size(), s.Keys(), g.Status)
	}
}
