package command_test

import (
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
)

// The shell asks with the hidden command __complete; the last line is what it is to do besides, 4: suggest no files.
func TestCompletion(t *testing.T) {
	s := startServer(t)
	s.members = []*pb.Member{{ID: 0xabc, Name: "one"}, {ID: 0xdef, Name: "two", IsLearner: true}}
	for line, want := range map[string]string{
		"member remove ":           "abc\tone\ndef\ttwo\n:4\n",
		"member update ":           "abc\tone\ndef\ttwo\n:4\n",
		"member promote ":          "def\ttwo\n:4\n",
		"move-leader ":             "abc\tone\n:4\n",
		"member remove abc ":       ":4\n",
		"lease revoke ":            "000000000000001f\n:4\n",
		"lease timetolive ":        "000000000000001f\n:4\n",
		"lease keep-alive ":        "000000000000001f\n:4\n",
		"user get ":                "root\nu\n:4\n",
		"user passwd ":             "root\nu\n:4\n",
		"user grant-role root ":    "r\ns\n:4\n",
		"role get ":                "r\ns\n:4\n",
		"auth can u ":              "delete\nget\nput\nwatch\n:4\n",
		"get k -w ":                "fields\njson\nprotobuf\nsimple\ntable\nyaml\n:4\n",
		"get ":                     ":4\n",
		"--user=me member remove ": ":4\n", // it would have to ask for the password
		"--cert=x member remove ":  ":4\n",
		"endpoint st":              "status\tShows version, size, leader and raft progress of each endpoint\n:4\n",
		"completion po":            "powershell\n:4\n",
	} {
		args := append([]string{"__complete", "--endpoints=" + s.address}, strings.Split(line, " ")...)
		if r := runWith([]string{"ETCDCTL_UNKNOWN=1"}, "", args...); r.code != 0 || r.stdout != want {
			t.Errorf("%q: %+v\nwant %q", line, r, want)
		}
	}
	if r := runWith(nil, "", "__complete", "--endpoints=127.0.0.1:1", "member", "remove", ""); r.code != 0 || r.stdout != ":4\n" {
		t.Errorf("without a cluster: %+v", r)
	}
}
