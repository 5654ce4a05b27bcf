package pages_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/client"
	"quoin.dev/client/pages"
)

// store answers ranges over keys, which are in order, with one value.
type store struct {
	keys  []string
	value []byte
	asked []*client.Op
}

func (s *store) get(_ context.Context, key string, opts ...client.OpOption) (*client.GetResponse, error) {
	op := client.OpGet(key, opts...)
	s.asked = append(s.asked, &op)
	resp := &client.GetResponse{Header: &pb.ResponseHeader{Revision: 7}}
	for _, k := range s.keys {
		if k < string(op.KeyBytes()) || string(op.RangeBytes()) != "\x00" && k >= string(op.RangeBytes()) {
			continue
		}
		if resp.Count++; resp.Count <= op.Limit() {
			resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(k), Value: s.value})
		}
	}
	resp.More = resp.Count > op.Limit()
	return resp, nil
}

// all reads all pages.
func all(t *testing.T, r *pages.Reader, each func(*client.GetResponse)) (keys []string) {
	t.Helper()
	for {
		page, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range page.Kvs {
			keys = append(keys, string(kv.Key))
		}
		each(page)
	}
}

func manyKeys(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("k/%06d", i))
	}
	return append([]string{"a"}, append(keys, "z")...)
}

func TestEveryKeyOnceAtOneRevision(t *testing.T) {
	for _, valueBytes := range []int{0, 100 << 10} {
		s := &store{keys: manyKeys(1500), value: make([]byte, valueBytes)}
		r := pages.New(s.get, "", 0, client.WithKeysOnly())
		got := all(t, r, func(page *client.GetResponse) {
			if size := len(page.Kvs) * valueBytes; len(s.asked) > 8 && size > 3<<20 {
				t.Fatalf("page %d has %d bytes", len(s.asked), size)
			}
		})
		if strings.Join(got, " ") != strings.Join(s.keys, " ") || r.Revision() != 7 {
			t.Errorf("read %d keys at revision %d, want %d at 7", len(got), r.Revision(), len(s.keys))
		}
		for i, op := range s.asked {
			if want := int64(min(i, 1) * 7); op.Rev() != want || !op.IsKeysOnly() {
				t.Errorf("request %d is at revision %d, want %d", i, op.Rev(), want)
			}
		}
	}
	s := &store{keys: manyKeys(300)}
	if got := all(t, pages.New(s.get, "k/", 5), func(*client.GetResponse) {}); len(got) != 300 || s.asked[0].Rev() != 5 {
		t.Errorf("read %d keys, want 300", len(got))
	}
}

func TestSkip(t *testing.T) {
	for _, c := range []struct {
		to   string
		want string // first key of the second page, "" if there is none
	}{{"k/000200", "k/000200"}, {"b", "k/000128"}, {"k0", ""}, {"\x00", ""}} {
		s := &store{keys: manyKeys(300)}
		r := pages.New(s.get, "k/", 0)
		if _, err := r.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.Skip(c.to)
		rest := append(all(t, r, func(*client.GetResponse) {}), "")
		if rest[0] != c.want {
			t.Errorf("after a skip to %q the next key is %q, want %q", c.to, rest[0], c.want)
		}
	}
}
