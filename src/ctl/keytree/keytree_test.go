package keytree_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/client"
	"quoin.dev/client/pages"
	"quoin.dev/ctl/keytree"
)

// store is keys in order, and how many requests there were for them.
type store struct {
	keys     []string
	requests int
	largest  int // page
}

func (s *store) get(_ context.Context, key string, opts ...client.OpOption) (*client.GetResponse, error) {
	s.requests++
	op := client.OpGet(key, opts...)
	resp := &client.GetResponse{Header: &pb.ResponseHeader{Revision: 1}}
	from, _ := slices.BinarySearch(s.keys, string(op.KeyBytes()))
	to := len(s.keys)
	if end := string(op.RangeBytes()); end != "\x00" {
		to, _ = slices.BinarySearch(s.keys, end)
	}
	resp.Count = int64(to - from)
	if limit := op.Limit(); limit > 0 && resp.Count > limit {
		to, resp.More = from+int(limit), true
	}
	if op.IsCountOnly() {
		return resp, nil
	}
	for _, k := range s.keys[from:to] {
		resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(k)})
	}
	s.largest = max(s.largest, len(resp.Kvs))
	return resp, nil
}

func (s *store) count(ctx context.Context, prefix string) (int64, error) {
	resp, err := s.get(ctx, prefix, client.WithPrefix(), client.WithCountOnly())
	return resp.GetCount(), err
}

func line(n keytree.Node) string {
	return fmt.Sprintf("%q %q %t %d %d %v", n.Path, n.Name, n.Folder, n.Keys, n.Depth, n.Last)
}

func walk(t *testing.T, s *store, prefix, separator string, depth int) (lines []string) {
	t.Helper()
	w := keytree.Walk{
		Reader: pages.New(s.get, prefix, 1), Prefix: prefix, Separator: separator, Depth: depth, Count: s.count,
		Show: func(n keytree.Node) error { lines = append(lines, line(n)); return nil },
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return lines
}

// twin lists the tree of all keys below a folder, which it holds at once.
func twin(keys []string, root keytree.Node, separator string, depth int) []string {
	lines := []string{line(root)}
	if depth > 0 && root.Depth == depth {
		return lines
	}
	var children []keytree.Node
	below := map[string][]string{}
	for _, k := range keys {
		name, _, isFolder := strings.Cut(k[len(root.Path):], separator)
		if isFolder {
			name += separator
		}
		path := root.Path + name
		if below[path] == nil {
			children = append(children, keytree.Node{Path: path, Name: name, Folder: isFolder, Depth: root.Depth + 1})
		}
		below[path] = append(below[path], k)
	}
	for i, c := range children {
		c.Keys = int64(len(below[c.Path]))
		c.Last = append(slices.Clone(root.Last), i == len(children)-1)
		if c.Folder {
			lines = append(lines, twin(below[c.Path], c, separator, depth)...)
		} else {
			lines = append(lines, line(c))
		}
	}
	return lines
}

func TestWalkEqualsATwin(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		separator := []string{"/", "::"}[random.IntN(2)]
		set := map[string]bool{}
		for range random.IntN(3000) {
			var k strings.Builder
			for range 1 + random.IntN(5) {
				k.WriteString([]string{"a", "b", "a-", separator, separator, "c", "\xff"}[random.IntN(7)])
			}
			set[k.String()] = true
		}
		s := &store{}
		prefix := []string{"", "", "a", "a" + separator, separator + "b" + separator}[random.IntN(5)]
		for k := range set {
			s.keys = append(s.keys, k)
		}
		slices.Sort(s.keys)
		var below []string
		for _, k := range s.keys {
			if strings.HasPrefix(k, prefix) {
				below = append(below, k)
			}
		}
		root := keytree.Node{Folder: true, Keys: int64(len(below))}
		if i := strings.LastIndex(prefix, separator); i >= 0 {
			root.Path = prefix[:i+len(separator)]
			root.Name = root.Path
		}
		depth := random.IntN(4)
		got, want := walk(t, s, prefix, separator, depth), twin(below, root, separator, depth)
		if !slices.Equal(got, want) {
			t.Fatalf("prefix %q, depth %d: got\n%s\nwant\n%s", prefix, depth, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// A folder that is not shown in full is not read in full.
func TestDepthSparesRequests(t *testing.T) {
	s := &store{}
	for i := range 60_000 {
		s.keys = append(s.keys, fmt.Sprintf("/registry/%d/%06d", i/15_000, i))
	}
	if got := walk(t, s, "/registry/", "/", 1); len(got) != 5 || s.requests > 10 {
		t.Errorf("%d requests for %v", s.requests, got)
	}
	s.requests = 0
	if got := walk(t, s, "/registry/", "/", 0); len(got) != 60_005 || s.requests > 25 || s.largest > 8192 {
		t.Errorf("%d requests of up to %d keys for %d nodes", s.requests, s.largest, len(got))
	}
}
