package lease_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quoin.dev/server/lease"
	"quoin.dev/storage/backend"
)

// The store attaches and detaches keys through these methods.
var _ interface {
	Attach(lease int64, key []byte)
	Detach(lease int64, key []byte)
} = (*lease.Lessor)(nil)

type rows map[string]string

func (r rows) Put(bucket backend.Bucket, key, value []byte) {
	if bucket != backend.Lease {
		panic("wrote to bucket " + bucket.Name())
	}
	r[string(key)] = string(value)
}

func (r rows) Get(_ backend.Bucket, key []byte) []byte {
	if v, ok := r[string(key)]; ok {
		return []byte(v)
	}
	return nil
}

func (r rows) Delete(_ backend.Bucket, key []byte) { delete(r, string(key)) }

func (r rows) Scan(_ backend.Bucket, _, _ []byte, fn func(key, value []byte) error) error {
	for k, v := range r {
		if err := fn([]byte(k), []byte(v)); err != nil {
			return err
		}
	}
	return nil
}

var options = lease.Options{MinTTL: 2}

func TestGrant(t *testing.T) {
	for _, tt := range []struct {
		id      lease.ID
		ttl     int64
		want    int64
		wantErr error
	}{
		{1, 10, 10, nil},
		{1, 1, 2, nil},
		{1, 0, 2, nil},
		{1, -5, 2, nil},
		{1, lease.MaxTTL, lease.MaxTTL, nil},
		{1, lease.MaxTTL + 1, 0, lease.ErrTTLTooLarge},
		{7, 10, 0, lease.ErrExists},
		{0, 10, 0, lease.ErrNotFound},
		{-1, 10, 10, nil},
	} {
		stored := rows{}
		l := lease.New(stored, options)
		if _, err := l.Grant(7, 60); err != nil {
			t.Fatal(err)
		}
		got, err := l.Grant(tt.id, tt.ttl)
		if !errors.Is(err, tt.wantErr) || got.TTL != tt.want {
			t.Errorf("Grant(%d, %d): %+v, %v, want TTL %d, %v", tt.id, tt.ttl, got, err, tt.want, tt.wantErr)
		}
		if len(stored) != l.Len() {
			t.Errorf("Grant(%d, %d): %d rows for %d leases", tt.id, tt.ttl, len(stored), l.Len())
		}
	}
}

func TestErrorTexts(t *testing.T) {
	for err, want := range map[error]string{
		lease.ErrNotFound: "lease not found", lease.ErrExists: "lease already exists", lease.ErrTTLTooLarge: "too large lease TTL",
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestMinTTL(t *testing.T) {
	for _, tt := range []struct {
		ticks     int
		heartbeat time.Duration
		want      int64
	}{{10, 100 * time.Millisecond, 2}, {50, 100 * time.Millisecond, 8}, {10, time.Second, 15}, {5, 10 * time.Millisecond, 1}} {
		if got := lease.MinTTL(tt.ticks, tt.heartbeat); got != tt.want {
			t.Errorf("MinTTL(%d, %s) = %d, want %d", tt.ticks, tt.heartbeat, got, tt.want)
		}
	}
}

func TestRevokeReturnsKeysInByteOrder(t *testing.T) {
	stored := rows{}
	l := lease.New(stored, options)
	l.Grant(1, 10) //nolint:errcheck // can not fail
	for _, key := range []string{"b", "a\xff", "a", "\x00", "gone"} {
		l.Attach(1, []byte(key))
	}
	l.Detach(1, []byte("gone"))
	l.Attach(99, []byte("x")) // an unknown lease is passed over
	l.Detach(99, []byte("x"))
	keys, err := l.Revoke(1)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%q", keys); got != `["\x00" "a" "a\xff" "b"]` {
		t.Errorf("got %s", got)
	}
	if len(stored) != 0 || l.Exists(1) || l.Keys(1) != nil {
		t.Error("the lease is still there")
	}
	if _, err := l.Revoke(1); !errors.Is(err, lease.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// Rows that etcd 3.7.3 wrote, and one with a negative id (etcd#14239): what is loaded is written back to the byte.
func TestRows(t *testing.T) {
	for key, tt := range map[string]struct {
		value string
		want  lease.Lease
	}{
		"000000000000002a": {"082a10a038", lease.Lease{ID: 42, TTL: 7200}},
		"3ad8a2041c3d0204": {"088484f4e1c1c0a8ec3a10901c", lease.Lease{ID: 0x3ad8a2041c3d0204, TTL: 3600}},
		"ffffffffffffffff": {"08ffffffffffffffffff01100a1805", lease.Lease{ID: -1, TTL: 10, RemainingTTL: 5}},
	} {
		k, _ := hex.DecodeString(key)
		v, _ := hex.DecodeString(tt.value)
		l, err := lease.Load(rows{string(k): string(v)}, rows{}, options)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := l.Lookup(tt.want.ID); !ok || got != tt.want {
			t.Errorf("%s: got %+v, want %+v", key, got, tt.want)
		}
		written := rows{}
		again := lease.New(written, options)
		again.Grant(tt.want.ID, tt.want.TTL) //nolint:errcheck // can not fail
		if tt.want.RemainingTTL != 0 {
			again.Checkpoint(tt.want.ID, tt.want.RemainingTTL) //nolint:errcheck // can not fail
		}
		if got := hex.EncodeToString([]byte(written[string(k)])); got != tt.value {
			t.Errorf("%s: wrote %s, want %s", key, got, tt.value)
		}
	}
}

func TestLoadRefusesDamagedRows(t *testing.T) {
	for want, r := range map[string]rows{
		"does not decode":   {"12345678": "\xff"},
		"says its id is 2a": {"12345678": "\x08\x2a"},
	} {
		if _, err := lease.Load(r, r, options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestCheckpoint(t *testing.T) { // etcd#9395
	stored := rows{}
	l := lease.New(stored, options)
	l.Grant(1, 3600) //nolint:errcheck // can not fail
	if err := l.Checkpoint(1, 100); err != nil {
		t.Fatal(err)
	}
	again, err := lease.Load(stored, stored, options)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := again.Lookup(1); got.Countdown() != 100 || got.TTL != 3600 {
		t.Errorf("got %+v", got)
	}
	again.Checkpoint(1, 0) //nolint:errcheck // can not fail
	if got, _ := again.Lookup(1); got.Countdown() != 3600 {
		t.Errorf("after a renewal: %+v", got)
	}
	if err := l.Checkpoint(2, 1); !errors.Is(err, lease.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// A random run against a slow model, with restarts in between (etcd#12651).
func TestAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	stored := rows{}
	l := lease.New(stored, options)
	type model struct {
		ttl  int64
		keys []string
	}
	want := map[lease.ID]*model{}
	for step := range 5000 {
		id := lease.ID(random.Int64N(21) - 10)
		key := string(rune('a' + random.IntN(26)))
		switch random.IntN(6) {
		case 0, 1:
			_, err := l.Grant(id, 10)
			if (err == nil) != (id != 0 && want[id] == nil) {
				t.Fatalf("step %d: Grant(%d): %v", step, id, err)
			}
			if err == nil {
				want[id] = &model{ttl: 10}
			}
		case 2:
			keys, err := l.Revoke(id)
			if m := want[id]; m == nil {
				if err == nil {
					t.Fatalf("step %d: revoked the unknown lease %d", step, id)
				}
			} else if slices.Sort(m.keys); fmt.Sprintf("%s", keys) != fmt.Sprint(m.keys) {
				t.Fatalf("step %d: keys %s, want %s", step, keys, m.keys)
			}
			delete(want, id)
		case 3, 4:
			l.Attach(int64(id), []byte(key))
			if m := want[id]; m != nil && !slices.Contains(m.keys, key) {
				m.keys = append(m.keys, key)
			}
		case 5:
			l.Detach(int64(id), []byte(key))
			if m := want[id]; m != nil {
				m.keys = slices.DeleteFunc(m.keys, func(k string) bool { return k == key })
			}
		}
		if step%500 != 0 {
			continue
		}
		var err error
		if l, err = lease.Load(stored, stored, options); err != nil {
			t.Fatal(err)
		}
		for id, m := range want {
			for _, k := range m.keys {
				l.Attach(int64(id), []byte(k))
			}
		}
		var ids []lease.ID
		for _, x := range l.List() {
			ids = append(ids, x.ID)
		}
		var wantIDs []lease.ID
		for id := range want {
			wantIDs = append(wantIDs, id)
		}
		slices.Sort(wantIDs)
		if !reflect.DeepEqual(ids, wantIDs) {
			t.Fatalf("step %d: leases %v, want %v", step, ids, wantIDs)
		}
	}
}
