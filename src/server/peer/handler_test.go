package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/api/raftwire"
)

// served is a member with id 610d6c7fe063adc2 that knows 255a794fb628c8c5 and has removed dead, behind a plain server.
func served(t *testing.T) (*Transport, *fakeRaft, string) {
	t.Helper()
	noLeaks(t)
	r := newFakeRaft()
	r.remove(0xdead)
	c := testConfig(0x610d6c7fe063adc2, r, newSink(), nil)
	c.ReadTimeout = time.Second / 5
	tr := New(c)
	server := httptest.NewServer(tr.Handler())
	t.Cleanup(func() {
		tr.Stop()
		server.Close()
	})
	tr.AddPeer(0x255a794fb628c8c5, []string{"http://127.0.0.1:1"})
	return tr, r, server.URL
}

func post(m *raftpb.Message) string { return string(raftwire.AppendMessage(nil, m)) }

func snapshotTo(to, index uint64) *raftpb.Message {
	return &raftpb.Message{
		Type: new(raftpb.MsgSnap), From: new(uint64(1)), To: new(to), Term: new(uint64(2)),
		Snapshot: &raftpb.Snapshot{
			Data:     []byte("{}"),
			Metadata: &raftpb.SnapshotMetadata{Index: new(index), Term: new(uint64(2)), ConfState: &raftpb.ConfState{Voters: []uint64{1, to}}},
		},
	}
}

func TestAnswersToRequests(t *testing.T) {
	tr, r, url := served(t)
	r.process = func(_ context.Context, m *raftpb.Message) error {
		if m.GetTerm() == 99 {
			return errTest
		}
		return nil
	}
	good := map[string]string{
		headerFrom: "255a794fb628c8c5", headerVersion: "3.7.3", headerMinVersion: "3.0.0",
		headerCluster: "e2efc7004ea73e06", headerTo: "610d6c7fe063adc2",
	}
	with := func(pairs ...string) map[string]string {
		h := map[string]string{}
		for k, v := range good {
			h[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = pairs[i+1]
		}
		return h
	}
	beat := heartbeat(0x255a794fb628c8c5, tr.local, 1)
	failing := heartbeat(0x255a794fb628c8c5, tr.local, 1)
	failing.Term = new(uint64(99))
	message := "/raft/stream/message/255a794fb628c8c5"
	for _, c := range []struct {
		name, method, path string
		headers            map[string]string
		body               string
		code               int
		text               string
	}{
		{"wrong method", "GET", "/raft", nil, "", 405, "Method Not Allowed"},
		{"wrong method", "PUT", "/raft", good, "", 405, "Method Not Allowed"},
		{"wrong method", "GET", "/raft/snapshot", good, "", 405, "Method Not Allowed"},
		{"wrong method", "POST", message, good, "", 405, "Method Not Allowed"},
		{"unknown path", "GET", "/raft/other", good, "", 404, "404 page not found"},
		{"no headers", "POST", "/raft", nil, "", 412, "incompatible version"},
		{"no headers", "POST", "/raft/snapshot", nil, "", 412, "incompatible version"},
		{"no headers", "GET", message, nil, "", 412, "incompatible version"},
		{"remote too old", "POST", "/raft", with(headerVersion, "2.3.9", headerMinVersion, "2.0.0"), post(beat), 412, "incompatible version"},
		{"remote just new enough", "POST", "/raft", with(headerVersion, "3.0.0", headerMinVersion, "2.0.0"), post(beat), 204, ""},
		{"remote too new", "POST", "/raft", with(headerVersion, "4.0.0", headerMinVersion, "4.0.0"), post(beat), 412, "incompatible version"},
		{"remote newer but willing", "POST", "/raft", with(headerVersion, "3.9.0", headerMinVersion, "3.7.9"), post(beat), 204, ""},
		{"remote newer, unwilling", "POST", "/raft", with(headerVersion, "3.8.0", headerMinVersion, "3.8.0"), post(beat), 412, "incompatible version"},
		{"version is nonsense", "POST", "/raft", with(headerVersion, "new"), post(beat), 412, "incompatible version"},
		{"minimum is nonsense", "POST", "/raft", with(headerMinVersion, "3"), post(beat), 412, "incompatible version"},
		{"version before cluster", "POST", "/raft", with(headerVersion, "2.0.0", headerCluster, "1"), post(beat), 412, "incompatible version"},
		{"other cluster", "POST", "/raft", with(headerCluster, "1234"), post(beat), 412, "cluster ID mismatch"},
		{"no cluster", "POST", "/raft/snapshot", with(headerCluster, ""), post(beat), 412, "cluster ID mismatch"},
		{"other cluster", "GET", message, with(headerCluster, "1234"), "", 412, "cluster ID mismatch"},

		{"message", "POST", "/raft", good, post(beat), 204, ""},
		{"no protobuf", "POST", "/raft", good, "\xff", 400, "error unmarshalling raft message"},
		{"message for nobody", "POST", "/raft", good, "xx", 500, ""},
		{"message for another", "POST", "/raft", good, post(heartbeat(1, 2, 3)), 500, ""},
		{"message that raft refuses", "POST", "/raft", good, post(failing), 500, ""},
		{"message from a removed member", "POST", "/raft", good, post(heartbeat(0xdead, tr.local, 1)), 500, ""},
		{"snapshot without database", "POST", "/raft", good, post(snapshotTo(tr.local, 5)), 500, ""},

		{"cut envelope", "POST", "/raft/snapshot", good, "xx", 400, "failed to decode raft message (unexpected EOF)"},
		{"no envelope", "POST", "/raft/snapshot", good, "", 400, "failed to decode raft message (EOF)"},
		{"envelope over its limit", "POST", "/raft/snapshot", good, "\x00\x00\x00\x00\x04\x00\x00\x01", 400, "failed to decode raft message (frame of 67108865 bytes is over the limit of 67108864)"},
		{"wrong type", "POST", "/raft/snapshot", good, string(appendSized(nil, beat)), 400, "wrong raft message type MsgHeartbeat"},
		{"snapshot for another", "POST", "/raft/snapshot", good, string(appendSized(nil, snapshotTo(7, 5))), 500, "message MsgSnap is for member 7, this is member 610d6c7fe063adc2"},
		{"snapshot", "POST", "/raft/snapshot", good, string(appendSized(nil, snapshotTo(tr.local, 5))) + "db", 204, ""},

		{"stream of another kind", "GET", "/raft/stream/bad/255a794fb628c8c5", good, "", 404, "invalid path"},
		{"stream of another kind", "GET", "/raft/stream/bad/zz", with(headerTo, "1"), "", 404, "invalid path"},
		{"stream too deep", "GET", "/raft/stream/message/x/255a794fb628c8c5", good, "", 404, "invalid path"},
		{"stream without id", "GET", "/raft/stream/message", good, "", 404, "invalid path"},
		{"id is nonsense", "GET", "/raft/stream/message/zz", good, "", 404, "invalid from"},
		{"id is nonsense", "GET", "/raft/stream/msgapp/zz", with(headerTo, "1"), "", 404, "invalid from"},
		{"removed", "GET", "/raft/stream/message/dead", good, "", 410, "removed member"},
		{"removed", "GET", "/raft/stream/msgapp/dead", with(headerTo, "1"), "", 410, "removed member"},
		{"unknown", "GET", "/raft/stream/message/abcd", with(headerPeerURLs, "http://127.0.0.1:1"), "", 404, "error sender not found"},
		{"wrong receiver", "GET", message, with(headerTo, "1"), "", 412, "to field mismatch"},
		{"no receiver", "GET", "/raft/stream/msgapp/255a794fb628c8c5", with(headerTo, ""), "", 412, "to field mismatch"},
	} {
		t.Run(c.name+" "+c.method+" "+c.path, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = httpHeader(c.headers)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if res.StatusCode != c.code {
				t.Fatalf("status %d (%s), want %d", res.StatusCode, text, c.code)
			}
			if aborted := c.path == "/raft" && c.code == 500; aborted != (err != nil) {
				t.Fatalf("reading the answer: %v", err)
			} else if !aborted && strings.TrimSuffix(string(text), "\n") != c.text {
				t.Fatalf("body %q, want %q", text, c.text)
			}
			checkReplyHeaders(t, res, c.code)
		})
	}
	http.DefaultClient.CloseIdleConnections()
	if tr.directory.Load().remotes[0xabcd] == nil {
		t.Error("the unknown sender of a stream request did not become a remote")
	}
	if tr.directory.Load().remotes[0xdead] != nil {
		t.Error("a removed member became a remote")
	}
}

// checkReplyHeaders checks what the recordings of etcd show: the cluster id once the method is right, our version on
// streams, and Allow with 405.
func checkReplyHeaders(t *testing.T, res *http.Response, code int) {
	t.Helper()
	path := res.Request.URL.Path
	cluster, version := "e2efc7004ea73e06", ""
	if strings.HasPrefix(path, pathStream) {
		version = "3.7.3"
	}
	allow := ""
	if code == http.StatusMethodNotAllowed {
		cluster, version, allow = "", "", "POST"
		if strings.HasPrefix(path, pathStream) {
			allow = "GET"
		}
	}
	if path == "/raft/other" {
		cluster = ""
	}
	if got := res.Header.Get(headerCluster); got != cluster {
		t.Errorf("cluster id %q, want %q", got, cluster)
	}
	if got := res.Header.Get(headerVersion); got != version {
		t.Errorf("version %q, want %q", got, version)
	}
	if got := res.Header.Get("Allow"); got != allow {
		t.Errorf("Allow %q, want %q", got, allow)
	}
}

func TestProbesAreAnsweredForAnyMethod(t *testing.T) {
	_, _, url := served(t)
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		req, _ := http.NewRequestWithContext(t.Context(), method, url+"/raft/probing", nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		var reply map[string]any
		if err := json.Unmarshal(body, &reply); err != nil || reply["OK"] != true || len(reply) != 2 {
			t.Fatalf("%s: %s", method, body)
		}
		if now, err := time.Parse(time.RFC3339Nano, reply["Now"].(string)); err != nil || time.Since(now).Abs() > time.Minute || now.Location() != time.UTC {
			t.Fatalf("%s: time %v, error %v", method, now, err)
		}
		if got := res.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
			t.Fatalf("content type %q", got)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestPostIsSignedAndTypedLikeTheRecording(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathRaft {
			got = r
			body, _ = io.ReadAll(r.Body)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.Error(w, "not here", http.StatusNotFound)
	}))
	defer server.Close()
	c := testConfig(0xe01ff7732cd16e9d, newFakeRaft(), newSink(), nil)
	c.PeerURLs = []string{"http://127.0.0.1:25205", "http://10.0.0.1:2380"}
	tr := New(c)
	tr.AddRemote(5, []string{server.URL})
	r := tr.directory.Load().remotes[5]
	if err := r.pipeline.post(heartbeat(1, 5, 1)); err != nil {
		t.Fatal(err)
	}
	tr.Stop()
	want := map[string]string{
		"X-Server-From": "e01ff7732cd16e9d", "X-Server-Version": "3.7.3", "X-Min-Cluster-Version": "3.0.0",
		"X-Etcd-Cluster-Id": "e2efc7004ea73e06", "X-Peerurls": "http://127.0.0.1:25205,http://10.0.0.1:2380",
		"Content-Type": "application/protobuf", "User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip",
		"Content-Length": got.Header.Get("Content-Length"),
	}
	for k, v := range want {
		if got.Header.Get(k) != v {
			t.Errorf("header %s is %q, want %q", k, got.Header.Get(k), v)
		}
	}
	if len(got.Header) != len(want) || got.ContentLength != int64(len(body)) || !bytes.Equal(body, []byte(post(heartbeat(1, 5, 1)))) {
		t.Errorf("headers %v, body %x", got.Header, body)
	}
}

func TestForbiddenPostMeansRemoved(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "removed", http.StatusForbidden)
	}))
	defer server.Close()
	told := make(chan struct{}, 8)
	raft := newFakeRaft()
	c := testConfig(1, raft, newSink(), nil)
	c.OnRemoved = func(uint64) { told <- struct{}{} }
	tr := New(c)
	defer tr.Stop()
	tr.AddRemote(5, []string{server.URL})
	tr.Send([]*raftpb.Message{heartbeat(1, 5, 1), heartbeat(1, 5, 2)})
	eventually(t, "the loss is reported", func() bool { return raft.lost(5) > 0 })
	<-told
	if len(told) != 0 {
		t.Fatal("told twice")
	}
}

func TestSlowHeadersAndBodiesAreCutOff(t *testing.T) { // etcd#22143
	tr, _, _ := served(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(tr.Handler())
	server.ReadHeaderTimeout = 50 * time.Millisecond
	go server.Serve(l)
	defer server.Close()
	head := "POST /raft HTTP/1.1\r\nHost: x\r\n"
	rest := "X-Server-Version: 3.7.3\r\nX-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: e2efc7004ea73e06\r\nContent-Length: 100\r\n\r\nabc"
	for name, sent := range map[string]string{"header": head, "body": head + rest, "snapshot": strings.Replace(head, "/raft", "/raft/snapshot", 1) + rest} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		var stuck net.Error
		if _, err := io.Copy(io.Discard, conn); errors.As(err, &stuck) && stuck.Timeout() {
			t.Errorf("%s: the connection was not closed: %v", name, err)
		}
		conn.Close()
	}
}

func TestStrangersBecomeOnlySoManyRemotes(t *testing.T) {
	tr, _, url := served(t)
	h := http.Header{}
	for i := range uint64(200) {
		tr.sign(h)
		h.Set(headerFrom, formatID(i+1))
		tr.addSender(h, i+1)
	}
	h.Set(headerPeerURLs, strings.Repeat(url+",", 17)+url)
	tr.addSender(h, 9999)
	if n := len(tr.directory.Load().remotes); n != maxRemotes {
		t.Fatalf("%d remotes", n)
	}
}

func FuzzPostedMessage(f *testing.F) {
	for _, p := range loadCapture(f).Posts {
		f.Add(unhex(f, p.Body))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tr := &Transport{cfg: testConfig(1, newFakeRaft(), newSink(), nil).withDefaults(), observer: noObserver{}}
		tr.ctx = t.Context()
		r := httptest.NewRequest(http.MethodPost, "/raft", bytes.NewReader(data))
		if m, err := tr.readPosted(httptest.NewRecorder(), r); err == nil {
			_ = checkReceived(m, 1)
		}
	})
}
