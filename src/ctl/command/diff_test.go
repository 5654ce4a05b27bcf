package command_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
)

// history answers ranges over what the keys were at revisions 5 to 9. Revisions before 5 are compacted.
func history(r *pb.RangeRequest) (*pb.RangeResponse, error) {
	kv := func(key, value string, revision int64) *mvccpb.KeyValue {
		m := &mvccpb.KeyValue{Key: []byte(key), CreateRevision: 2, ModRevision: revision}
		if !r.GetKeysOnly() {
			m.Value = []byte(value)
		}
		return m
	}
	all := []*mvccpb.KeyValue{kv("a/1", "one", 3), kv("a/2", "two\nlines\n", 8), kv("b", "\xff\x00", 4), kv("c\n", "same", 9)}
	switch rev := r.GetRevision(); {
	case rev > 0 && rev < 5:
		return nil, rpctypes.ErrGRPCCompacted
	case rev == 5:
		all = []*mvccpb.KeyValue{kv("a/0", "zero", 2), kv("a/1", "one", 3), kv("a/2", "two", 4), kv("c\n", "same", 4)}
	}
	resp := &pb.RangeResponse{Header: &pb.ResponseHeader{ClusterId: 1, MemberId: 2, Revision: 9}}
	for _, m := range all {
		if key := string(m.Key); key >= string(r.GetKey()) && (key < string(r.GetRangeEnd()) || string(r.GetRangeEnd()) == "\x00") {
			resp.Kvs = append(resp.Kvs, m)
		}
	}
	resp.Count = int64(len(resp.Kvs))
	if limit := r.GetLimit(); limit > 0 && resp.Count > limit {
		resp.Kvs, resp.More = resp.Kvs[:limit], true
	}
	return resp, nil
}

func startHistory(t *testing.T, opts ...grpc.ServerOption) *server {
	t.Helper()
	s := startServer(t, opts...)
	s.ranges = history
	s.changes = []*pb.WatchResponse{{Header: later, Canceled: true, CompactRevision: 5}}
	return s
}

func TestDiff(t *testing.T) {
	s := startHistory(t)
	for _, c := range []struct {
		line   string
		code   int
		stdout string
	}{
		{"diff 5 9", 1, "- a/0\n~ a/2\n+ b\n~ \"c\\n\"\n"},
		{"diff 5 head", 1, "- a/0\n~ a/2\n+ b\n~ \"c\\n\"\n"},
		{"diff head head~4 a/", 1, "+ a/0\n~ a/2\n"},
		{"diff 6 9", 0, ""},
		{"diff head head", 0, ""},
		{"diff 5 9 --values", 1, "- a/0\n  - zero\n~ a/2\n  - two\n  + two\n  + lines\n+ b\n  + \"\\xff\\x00\"\n" +
			"~ \"c\\n\"\n    written again, with the same value\n"},
		{"diff 5 9 a/ --values --hex", 1, `- \x61\x2f\x30` + "\n" + `  - \x7a\x65\x72\x6f` + "\n" + `~ \x61\x2f\x32` + "\n" +
			`  - \x74\x77\x6f` + "\n" + `  + \x74\x77\x6f\x0a\x6c\x69\x6e\x65\x73\x0a` + "\n"},
		{"diff 5 9 a/2 -w json", 1, `{"type":"changed","old":{"key":"YS8y","create_revision":2,"mod_revision":4},"new":{"key":"YS8y","create_revision":2,"mod_revision":8}}` + "\n"},
		{"diff 9 5 b -w json --values", 1, `{"type":"removed","old":{"key":"Yg==","create_revision":2,"mod_revision":4,"value":"/wA="}}` + "\n"},
		{"diff 5 9 b -w yaml", 1, "---\ntype: added\nnew:\n  key: Yg==\n  create_revision: 2\n  mod_revision: 4\n"},
	} {
		if r := s.run("", strings.Fields(c.line)...); r.code != c.code || r.stdout != c.stdout || r.stderr != "" {
			t.Errorf("%s: %+v\nwant code %d and\n%s", c.line, r, c.code, c.stdout)
		}
	}
	for _, m := range s.asked() {
		if r, ok := m.(*pb.RangeRequest); !ok || r.GetLimit() == 0 {
			t.Errorf("asked for everything at once: %v", m)
		}
	}
}

func TestTroubleOfDiff(t *testing.T) {
	s := startHistory(t)
	for line, want := range map[string]string{
		"diff":              "diff needs two revisions, and takes a prefix",
		"diff 1":            "diff needs two revisions, and takes a prefix",
		"diff 5 9 a b":      "diff needs two revisions, and takes a prefix",
		"diff 5 x":          `"x" is no revision: give a number from 1 on, head, or head~10 for ten revisions before it`,
		"diff 5 0":          `"0" is no revision`,
		"diff 5 head~":      `"head~" is no revision`,
		"diff 5 header":     `"header" is no revision`,
		"diff 5 head~-1":    `"head~-1" is no revision`,
		"diff 10 5":         "there is no revision 10 yet, the newest one is 9",
		"diff head~9 head":  "there are no 9 revisions before the newest one, which is 9",
		"diff 3 9":          "required revision has been compacted: revision 3 is gone, the oldest one that can be read is 5",
		"diff 5 9 -w table": "table not supported as output format",
		"diff 5 9 -w bad":   "unsupported output format",
	} {
		if r := s.run("", strings.Fields(line)...); r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, "Error: ") || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %+v\nwant code 2 and %q", line, r, want)
		}
	}
}

func TestGetTree(t *testing.T) {
	s := startServer(t)
	s.ranges = history
	for line, want := range map[string]string{
		"get --tree":                         ". (4 keys)\n├── a/ (2 keys)\n│   ├── 1\n│   └── 2\n├── b\n└── \"c\\n\"\n",
		"get --tree --rev=5 --prefix":        ". (4 keys)\n├── a/ (3 keys)\n│   ├── 0\n│   ├── 1\n│   └── 2\n└── \"c\\n\"\n",
		"get --tree --depth=1":               ". (4 keys)\n├── a/ (2 keys)\n├── b\n└── \"c\\n\"\n",
		"get --tree a/":                      "a/ (2 keys)\n├── 1\n└── 2\n",
		"get --tree a/1 --consistency=s":     "a/ (1 key)\n└── 1\n",
		"get --tree --separator=NL c":        ". (1 key)\n└── \"c\\n\" (1 key)\n    └── \"\"\n",
		"get --tree none":                    ". (0 keys)\n",
		"get --tree a/ --depth 1 -w json":    `{"key":"YS8=","folder":true,"count":2,"depth":0}` + "\n" + `{"key":"YS8x","folder":false,"count":1,"depth":1}` + "\n" + `{"key":"YS8y","folder":false,"count":1,"depth":1}` + "\n",
		"get --tree a/1 --write-out yaml":    "---\nkey: YS8=\nfolder: true\ncount: 1\ndepth: 0\n---\nkey: YS8x\nfolder: false\ncount: 1\ndepth: 1\n",
		"get --tree a/1 --hex --separator=1": `\x61\x2f\x31 (1 key)` + "\n" + `└── ""` + "\n",
	} {
		args := strings.Fields(line)
		for i, arg := range args {
			args[i] = strings.ReplaceAll(arg, "NL", "\n")
		}
		if r := s.run("", args...); r.code != 0 || r.stdout != want || r.stderr != "" {
			t.Errorf("%s: %+v\nwant\n%s", line, r, want)
		}
	}
	for line, want := range map[string]string{
		"get --tree a b":          "too many arguments, only accept one argument when `--tree` is set",
		"get --tree --limit=5":    "`--tree` and `--limit` cannot be set at the same time, choose one",
		"get --tree --from-key a": "`--tree` and `--from-key` cannot be set at the same time, choose one",
		"get --tree --separator=": "`--depth` takes a number from 0 on, and `--separator` something",
		"get --tree --depth=-1":   "`--depth` takes a number from 0 on",
		"get a --depth=1":         "`--depth` and `--separator` are only for `--tree`",
	} {
		if r := s.run("", strings.Fields(line)...); r.code != 128 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %+v\nwant %q", line, r, want)
		}
	}
	s = startHistory(t)
	r := s.run("", "get", "--tree", "--rev=3")
	if want := fmt.Sprintf("Error: %v: revision 3 is gone, the oldest one that can be read is 5\n", rpctypes.ErrCompacted); r.code != 1 || r.stderr != want {
		t.Errorf("%+v\nwant %q", r, want)
	}
	if r := s.run("", "get", "--tree", "-w", "table"); r.code != 4 {
		t.Errorf("%+v", r)
	}
}
