package keydiff_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/client"
	"quoin.dev/client/pages"
	"quoin.dev/ctl/keydiff"
)

// state is what a store holds at one revision: the revision that last wrote each key.
type state map[string]int64

func (s state) get(_ context.Context, key string, opts ...client.OpOption) (*client.GetResponse, error) {
	op := client.OpGet(key, opts...)
	resp := &client.GetResponse{Header: &pb.ResponseHeader{Revision: op.Rev()}}
	for _, k := range slices.Sorted(maps.Keys(s)) {
		if k < string(op.KeyBytes()) {
			continue
		}
		if int64(len(resp.Kvs)) == op.Limit() {
			resp.More = true
			break
		}
		resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(k), ModRevision: s[k]})
	}
	return resp, nil
}

// changes are the lines of a comparison, by keydiff and by a twin that holds both sides.
func changes(t *testing.T, a, b state) (got, want []string) {
	t.Helper()
	line := func(key string, from, to int64) string { return fmt.Sprintf("%s %d %d", key, from, to) }
	err := keydiff.Find(t.Context(), pages.New(a.get, "", 1), pages.New(b.get, "", 2), func(c keydiff.Change) error {
		got = append(got, line(string(c.Key()), c.Old.GetModRevision(), c.New.GetModRevision()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	both := maps.Clone(a)
	maps.Copy(both, b)
	for _, key := range slices.Sorted(maps.Keys(both)) {
		if a[key] != b[key] {
			want = append(want, line(key, a[key], b[key]))
		}
	}
	return got, want
}

func TestFindEqualsATwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		a, b := state{}, state{}
		keys := 1 + random.IntN(500)
		for _, s := range []state{a, b} {
			for range random.IntN(2 * keys) {
				s[fmt.Sprintf("%03d", random.IntN(keys))] = 1 + random.Int64N(3)
			}
		}
		if got, want := changes(t, a, b); !slices.Equal(got, want) {
			t.Fatalf("from %v to %v: got\n%s\nwant\n%s", a, b, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestFindEndsAtTheFirstError(t *testing.T) {
	full := errors.New("full")
	told := 0
	err := keydiff.Find(t.Context(), pages.New(state{}.get, "", 1), pages.New(state{"a": 1, "b": 1}.get, "", 2),
		func(keydiff.Change) error { told++; return full })
	if !errors.Is(err, full) || told != 1 {
		t.Errorf("told %d times, error %v", told, err)
	}
	gone := errors.New("compacted")
	fails := func(context.Context, string, ...client.OpOption) (*client.GetResponse, error) { return nil, gone }
	for _, sides := range [][2]pages.Get{{fails, state{}.get}, {state{}.get, fails}} {
		err := keydiff.Find(t.Context(), pages.New(sides[0], "", 1), pages.New(sides[1], "", 2), nil)
		if !errors.Is(err, gone) {
			t.Errorf("got error %v", err)
		}
	}
}
