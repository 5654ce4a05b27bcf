package command_test

import (
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/ctl/command"
)

// The changes that a watch in these tests sees, and its end.
var (
	later    = &pb.ResponseHeader{ClusterId: 1, MemberId: 2, Revision: 9, RaftTerm: 4}
	newPair  = &mvccpb.KeyValue{Key: []byte("k"), Value: []byte("v"), CreateRevision: 2, ModRevision: 8, Version: 2}
	put      = &pb.WatchResponse{Header: later, Events: []*mvccpb.Event{{Kv: newPair}}}
	progress = &pb.WatchResponse{Header: later}
	compact  = &pb.WatchResponse{Header: later, Canceled: true, CompactRevision: 3}
	refused  = &pb.WatchResponse{Header: later, Canceled: true, CancelReason: "no"}
)

const watchOver = "Error: watch is canceled by the server\n"

func create(r *pb.WatchCreateRequest) proto.Message {
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}}
}

func TestRequestsOfWatch(t *testing.T) {
	s := startServer(t)
	s.changes = []*pb.WatchResponse{refused}
	key := func(k string) []byte { return []byte(k) }
	one := []string{"ETCDCTL_WATCH_KEY=e"}
	two := []string{"ETCDCTL_WATCH_KEY=e", "ETCDCTL_WATCH_RANGE_END=f"}
	for _, c := range []struct {
		line string
		env  []string
		sent *pb.WatchCreateRequest
	}{
		{"watch k", nil, &pb.WatchCreateRequest{Key: key("k")}},
		{"watch k z", nil, &pb.WatchCreateRequest{Key: key("k"), RangeEnd: key("z")}},
		{"watch k z ignored", nil, &pb.WatchCreateRequest{Key: key("k"), RangeEnd: key("z")}},
		{"watch k z -- echo --prefix", nil, &pb.WatchCreateRequest{Key: key("k"), RangeEnd: key("z")}},
		{"watch --prefix k", nil, &pb.WatchCreateRequest{Key: key("k"), RangeEnd: key("l")}},
		{"watch --rev=7 --prev-kv k", nil, &pb.WatchCreateRequest{Key: key("k"), StartRevision: 7, PrevKv: true}},
		{"watch --since=7 k", nil, &pb.WatchCreateRequest{Key: key("k"), StartRevision: 7}},
		{"watch --progress-notify k", nil, &pb.WatchCreateRequest{Key: key("k"), ProgressNotify: true}},
		{"watch", one, &pb.WatchCreateRequest{Key: key("e")}},
		{"watch -- echo", two, &pb.WatchCreateRequest{Key: key("e"), RangeEnd: key("f")}},
	} {
		r := runWith(append(c.env, "ETCDCTL_ENDPOINTS="+s.address), "", strings.Fields(c.line)...)
		if r.code != 5 || r.stdout != "" || r.stderr != "watch was canceled (no)\n"+watchOver {
			t.Errorf("%s: %+v", c.line, r)
		}
		checkAsked(t, s, create(c.sent))
	}
}

// The sentences and codes are those of etcdctl 3.7.3.
func TestErrorsOfWatchArguments(t *testing.T) {
	s := startServer(t)
	key, end := "ETCDCTL_WATCH_KEY=e", "ETCDCTL_WATCH_RANGE_END=f"
	for _, c := range []struct {
		line, text string
		env        []string
	}{
		{"watch", "bad number of arguments", nil},
		{"watch -- echo", "bad number of arguments", nil},
		{"watch k --", "bad number of arguments (found separator --, but no commands)", nil},
		{"watch k l --prefix", "`range_end` and `--prefix` are mutually exclusive", nil},
		{"watch --prefix", "`range_end` and `--prefix` are mutually exclusive", []string{key, end}},
		{"watch e", "bad number of arguments (found conflicting environment key)", []string{key}},
		{"watch e -- echo", `ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END="f"`, []string{end}},
	} {
		r := runWith(append(c.env, "ETCDCTL_ENDPOINTS="+s.address), "", strings.Fields(c.line)...)
		if r.code != 128 || r.stdout != "" || r.stderr != "Error: "+c.text+"\n" {
			t.Errorf("%s: %+v\nwant %s", c.line, r, c.text)
		}
	}
	checkAsked(t, s)
}

func TestWatchPrintsWhatItIsTold(t *testing.T) {
	s := startServer(t)
	s.changes = []*pb.WatchResponse{put, progress, compact}
	const over = "watch was canceled (etcdserver: mvcc: required revision has been compacted)\n" + watchOver
	for format, want := range map[string]string{
		"simple": "PUT\nk\nv\nprogress notify: 9\n",
		"json": `{"Header":{"cluster_id":1,"member_id":2,"revision":9,"raft_term":4},"Events":[{"kv":{"key":"aw==",` +
			`"create_revision":2,"mod_revision":8,"version":2,"value":"dg=="}}],"CompactRevision":0,"Canceled":false,` +
			`"Created":false,"CancelReason":""}` + "\nprogress notify: 9\n" +
			`{"Header":{"cluster_id":1,"member_id":2,"revision":9,"raft_term":4},"Events":null,"CompactRevision":0,` +
			`"Canceled":false,"Created":false,"CancelReason":""}` + "\n" +
			`{"Header":{"cluster_id":1,"member_id":2,"revision":9,"raft_term":4},"Events":null,"CompactRevision":3,` +
			`"Canceled":true,"Created":false,"CancelReason":""}` + "\n",
	} {
		if r := s.run("", "watch", "k", "-w", format); r.code != 5 || r.stdout != want || r.stderr != over {
			t.Errorf("%s: %+v\nwant %q", format, r, want)
		}
	}
	if r := s.run("", "watch", "k", "-w", "table"); r.code != 4 || r.stderr != "Error: table not supported as output format\n" {
		t.Errorf("table: %+v", r)
	}
}

// What a member refuses has neither header nor reason in the output of etcdctl.
func TestRefusedWatch(t *testing.T) {
	s := startServer(t)
	s.changes = []*pb.WatchResponse{refused}
	r := s.run("", "watch", "k", "-w", "json")
	want := `{"Header":{},"Events":null,"CompactRevision":0,"Canceled":true,"Created":false,"CancelReason":""}` + "\n"
	if r.code != 5 || r.stdout != want {
		t.Errorf("%+v\nwant %s", r, want)
	}
}

func TestWatchRunsACommandForEachEvent(t *testing.T) {
	s := startServer(t)
	deleted := &mvccpb.Event{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: 9}}
	s.changes = []*pb.WatchResponse{{Header: later, Events: []*mvccpb.Event{{Kv: newPair}, deleted}}, compact}
	const show = `echo $ETCD_WATCH_REVISION $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE`
	env := []string{"ETCDCTL_ENDPOINTS=" + s.address}
	r := runWith(env, "", "watch", "k", "--", "sh", "-c", show)
	want := "PUT\nk\nv\nDELETE\nk\n\n" + `9 "PUT" "k" "v"` + "\n" + `9 "DELETE" "k" ""` + "\n"
	if r.code != 5 || r.stdout != want {
		t.Errorf("%+v\nwant %q", r, want)
	}
	r = runWith(env, "", "watch", "k", "--", "sh", "-c", "exit 7")
	if r.code != 1 || r.stderr != "command [\"sh\" \"-c\" \"exit 7\"] error (exit status 7)\n" {
		t.Errorf("a command that fails: %+v", r)
	}
}

func TestInteractiveWatch(t *testing.T) {
	s := startServer(t)
	s.changes = []*pb.WatchResponse{put, refused}
	const eof = "Error: error reading watch request line: EOF\n"
	for _, c := range []struct {
		input, stderr string
		env           []string
		code          int
	}{
		{"", eof, nil, 3},
		{"watch\n", "Invalid command watch (command type or key is not provided)\n" + eof, nil, 3},
		{"bad w1\n", "Invalid command bad w1 (only support watch)\n" + eof, nil, 3},
		{"\nprogress\n", "Invalid command:  (watch and progress supported)\n" + eof, nil, 3},
		{"watch a b --prefix\n", "Invalid command watch a b --prefix (`range_end` and `--prefix` are mutually exclusive)\n" + eof, nil, 3},
		{"watch --rev=x a\n", `Error: invalid argument "x" for "--rev" flag: strconv.ParseInt: parsing "x": invalid syntax` + "\n", nil, 128},
		{"watch --bad a\n", "Error: unknown flag: --bad\n", nil, 128},
		{"watch -h\n", "Error: pflag: help requested\n", nil, 128},
		{"watch a --\n", "Error: bad number of arguments (found separator --, but no commands)\n", nil, 128},
		{"watch a\n", "Error: bad number of arguments (found conflicting environment key)\n", []string{"ETCDCTL_WATCH_KEY=e"}, 128},
	} {
		r := runWith(append(c.env, "ETCDCTL_ENDPOINTS="+s.address), c.input, "watch", "-i", "ignored")
		if r.code != c.code || r.stdout != "" || !strings.HasPrefix(r.stderr, c.stderr) {
			t.Errorf("%q: %+v\nwant code %d and %q", c.input, r, c.code, c.stderr)
		}
	}
	checkAsked(t, s)

	// A command that fails ends the run while stdin is still open.
	stdin, typed := io.Pipe()
	defer typed.Close()
	go func() { _, _ = io.WriteString(typed, "watch 'k 1' -- false\n") }()
	r := runProcess(command.Process{
		Env: []string{"ETCDCTL_ENDPOINTS=" + s.address}, Stdin: stdin, Args: []string{"watch", "--interactive"},
	})
	if r.code != 1 || r.stdout != "PUT\nk\nv\n" || r.stderr != "command [\"false\"] error (exit status 1)\n" {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, create(&pb.WatchCreateRequest{Key: []byte("k 1")}))
}
