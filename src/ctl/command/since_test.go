package command_test

import (
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
)

// The newest revision of the server is 3.
func TestWatchSinceCountsBack(t *testing.T) {
	s := startServer(t)
	s.changes = []*pb.WatchResponse{refused}
	for since, start := range map[string]int64{"-1": 3, "-2": 2, "-3": 1, "-1000": 1} {
		for _, input := range []string{"", "watch --since=" + since + " k z\n"} {
			args := []string{"watch", "--since", since, "k", "z"}
			if input != "" {
				args = []string{"watch", "-i"}
			}
			s.run(input, args...)
			checkAsked(t, s,
				&pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("z"), KeysOnly: true, Limit: 1},
				create(&pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("z"), StartRevision: start}))
		}
	}
}

func TestWatchSinceTellsWhereItCanBegin(t *testing.T) {
	s := startServer(t)
	s.changes = []*pb.WatchResponse{compact}
	const canceled = "watch was canceled (etcdserver: mvcc: required revision has been compacted)\n"
	for flag, stderr := range map[string]string{
		"--rev=2":   canceled + watchOver,
		"--since=2": canceled + "the oldest revision to begin with is 3: --since=3\n" + watchOver,
	} {
		if r := s.run("", "watch", flag, "k"); r.code != 5 || r.stderr != stderr {
			t.Errorf("%s: %+v\nwant %q", flag, r, stderr)
		}
	}
	for _, text := range []string{"5m", "2026-11-27T10:00:00Z", "0", "head", ""} {
		if r := s.run("", "watch", "--since="+text, "k"); r.code != 1 || !strings.Contains(r.stderr, "a time can not be answered") {
			t.Errorf("%q: %+v", text, r)
		}
	}
	if r := s.run("", "watch", "--since=2", "--rev=2", "k"); r.code != 128 || !strings.Contains(r.stderr, "`--since` and `--rev` cannot be set at the same time") {
		t.Errorf("%+v", r)
	}
}
