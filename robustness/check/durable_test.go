package check_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/server/embed"
)

// serve runs a member on a directory while f is called.
func serve(t *testing.T, dir string, f func(ctx context.Context, conn *grpc.ClientConn)) {
	t.Helper()
	cfg := embed.Private(dir)
	cfg.ListenClientURLs = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	server, err := embed.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := server.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(server.ClientAddrs()[0].String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	f(ctx, conn)
}

// The logs on the disks of members are read: what was acknowledged must be in most of them.
func TestWritesThatAreNotOnMostDisksAreFound(t *testing.T) {
	run := t.TempDir()
	r := &history.Record{Loaded: time.Minute, Duration: time.Minute}
	write := func(value string) func(context.Context, *grpc.ClientConn) {
		return func(ctx context.Context, conn *grpc.ClientConn) {
			request := &pb.PutRequest{Key: []byte("k"), Value: []byte(value)}
			response, err := pb.NewKVClient(conn).Put(ctx, request)
			if err != nil {
				t.Fatal(err)
			}
			r.Operations = append(r.Operations, history.Operation{Member: "m0", Outcome: history.OK, Request: request, Response: response})
		}
	}
	copied := func(name string) history.End {
		if err := os.CopyFS(filepath.Join(run, name), os.DirFS(filepath.Join(run, "m0"))); err != nil {
			t.Fatal(err)
		}
		return history.End{Member: name, DataDir: name}
	}
	serve(t, filepath.Join(run, "m0"), write("first"))
	early := []history.End{copied("m1"), copied("m2")}
	serve(t, filepath.Join(run, "m0"), write("second"))
	own, late := history.End{Member: "m0", DataDir: "m0"}, copied("m3")

	o := check.Options{Dir: run}
	r.Ends = []history.End{own, early[0], late}
	if v := judge(t, "durable", r, o); !v.Passed() || !strings.Contains(v.Judged, "the logs of 3 voters") {
		t.Errorf("the second write is on two of three: %q, %q", texts(v), v.Judged)
	}
	r.Ends = []history.End{own, early[0], early[1]}
	v := judge(t, "durable", r, o)
	if len(v.Findings) != 1 || !strings.Contains(texts(v), "put k=second") || !strings.Contains(texts(v), "those of m0;") {
		t.Errorf("the second write is on one of three: %q", texts(v))
	}
	r.Operations = append(r.Operations, r.Operations[1]) // acknowledged twice, so that there must be two entries
	r.Ends = []history.End{own, late, late}
	if v := judge(t, "durable", r, o); len(v.Findings) != 1 || !strings.Contains(texts(v), "those of none") {
		t.Errorf("the second write was done once: %q", texts(v))
	}
	r.Ends = []history.End{{Member: "m9", DataDir: "m9"}}
	if v := judge(t, "durable", r, o); len(v.Findings) == 0 || !strings.Contains(texts(v), "to be readable") {
		t.Errorf("there is no log: %q", texts(v))
	}
}
