package command_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

// mirrored runs make-mirror until the watch of the source is canceled, and returns the keys that were put at the destination.
func mirrored(t *testing.T, args ...string) (puts []string, r result, from *server) {
	t.Helper()
	from, to := startServer(t), startServer(t)
	event := &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte("k2"), Value: []byte("v2"), ModRevision: 9}}
	from.changes = []*pb.WatchResponse{
		{Header: header, Events: []*mvccpb.Event{event}},
		{Header: header, Canceled: true, CompactRevision: 12},
	}
	r = from.run("secret\n", append([]string{"make-mirror", to.address}, args...)...)
	for _, m := range to.asked() {
		for _, op := range m.(*pb.TxnRequest).GetSuccess() {
			puts = append(puts, string(op.GetRequestPut().GetKey())+"="+string(op.GetRequestPut().GetValue()))
		}
	}
	return puts, r, from
}

func TestMakeMirror(t *testing.T) {
	for flags, want := range map[string]string{
		"":                                    "k=v k2=v2",
		"--prefix=k":                          "k=v k2=v2",
		"--prefix=k --dest-prefix=q/":         "q/=v q/2=v2",
		"--dest-prefix=q/":                    "q/k=v q/k2=v2",
		"--rev=5 --prefix=k":                  "k2=v2",
		"--rev=1 --prefix=k":                  "k=v k2=v2",
		"--rev=-3 --max-txn-ops=0":            "k=v k2=v2",
		"--rev=4 --prefix=k --no-dest-prefix": "2=v2",
	} {
		puts, r, from := mirrored(t, strings.Fields(flags)...)
		if got := strings.Join(puts, " "); got != want {
			t.Errorf("%q: copied %s, want %s", flags, got, want)
		}
		if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "required revision has been compacted") ||
			!strings.Contains(r.stderr, "start again without a revision") {
			t.Errorf("%q: %+v", flags, r)
		}
		var watched *pb.WatchRequest
		for _, m := range from.asked() {
			if w, ok := m.(*pb.WatchRequest); ok {
				watched = w
			}
		}
		create := watched.GetCreateRequest()
		start := header.Revision + 1
		if rev, ok := strings.CutPrefix(flags, "--rev="); ok && rev[0] > '1' {
			start = int64(rev[0] - '0')
		}
		if create.GetStartRevision() != start || !create.GetProgressNotify() {
			t.Errorf("%q: watched %v, want from revision %d", flags, create, start)
		}
	}
}

func TestMakeMirrorSignsInAtTheDestination(t *testing.T) {
	from, to := startServer(t), startServer(t)
	to.txn = &pb.TxnResponse{}
	from.changes = []*pb.WatchResponse{{Header: header, Canceled: true, CompactRevision: 12}}
	r := from.run("secret\n", "make-mirror", to.address, "--dest-user=backup")
	if r.stdout != "Destination Password: \n" {
		t.Errorf("%+v", r)
	}
	if asked := to.asked(); len(asked) == 0 || !proto.Equal(asked[0], &pb.AuthenticateRequest{Name: "backup", Password: "secret"}) {
		t.Errorf("asked %v", asked)
	}
}
