package command_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/ctl/command"
)

// checked runs a check of half a second, and returns its output with numbers replaced.
func checked(s *server, args ...string) result {
	r := runProcess(command.Process{
		Env: []string{"ETCDCTL_ENDPOINTS=" + s.address}, Stdin: strings.NewReader(""),
		Args: append([]string{"check"}, args...), CheckDuration: 500 * time.Millisecond,
	})
	r.stdout = regexp.MustCompile(`-?\d+\.\d+(s| MB)`).ReplaceAllString(r.stdout, "N$1")
	return r
}

func TestCheckPerf(t *testing.T) {
	s := startServer(t)
	s.empty = true
	r := checked(s, "perf", "--auto-compact", "--auto-defrag", "--prefix=p/", "-w", "json")
	verdict := regexp.MustCompile(`^Compacting with revision 3\nCompacted with revision 3\nDefragmenting "` + s.address + `"\nDefragmented "` + s.address + `"\n` +
		`(PASS: Throughput is \d+ writes/s|FAIL: Throughput too low: \d+ writes/s)\n` +
		`(PASS: Slowest request took Ns|Slowest request took too long: Ns)\n(PASS: Stddev is Ns|Stddev too high: Ns)\n(PASS|FAIL)\n$`)
	// How fast the machine is, is no matter of this test.
	if r.stderr != "" || !verdict.MatchString(r.stdout) || (r.code == 0) != strings.HasSuffix(r.stdout, "\nPASS\n") ||
		(r.code == 0) == strings.Contains(r.stdout, " too ") {
		t.Errorf("%+v", r)
	}
	var puts int
	for _, m := range s.asked() {
		put, ok := m.(*pb.PutRequest)
		if !ok {
			continue
		}
		puts++
		if key := string(put.GetKey()); !strings.HasPrefix(key, "p/") || len(key) != 2+256 || len(put.GetValue()) != 1024 {
			t.Errorf("put %d bytes under %q", len(put.GetValue()), key)
		}
	}
	if puts == 0 || puts > 76 {
		t.Errorf("%d puts in half a second, want at most 150 a second", puts)
	}
}

func TestCheckPerfOfAClusterThatRefuses(t *testing.T) {
	s := startServer(t)
	s.empty, s.refusal = true, rpctypes.ErrGRPCPermissionDenied
	r := checked(s, "perf")
	want := regexp.MustCompile(`^FAIL: Cleanup failed during key deletion: ERROR\(etcdserver: permission denied\)\nFAIL: too many errors\n` +
		`FAIL: ERROR\(etcdserver: permission denied\) -> \d+\nFAIL: Throughput too low: 1 writes/s\n` +
		`PASS: Slowest request took Ns\nPASS: Stddev is NaNs\nFAIL\n$`)
	if r.code != 1 || !want.MatchString(r.stdout) || r.stderr != "" {
		t.Errorf("%+v", r)
	}
}

func TestCheckLeavesForeignKeysAlone(t *testing.T) {
	s := startServer(t) // has a key
	for what, next := range map[string]string{
		"perf": "'quoinctl del --prefix k'", "datascale": "quoinctl del --prefix k",
	} {
		r := checked(s, what, "--prefix=k")
		if r.code != 3 || r.stdout != "" || r.stderr != "Error: prefix \"k\" has keys. Delete with "+next+" first\n" {
			t.Errorf("%s: %+v", what, r)
		}
	}
	one := &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l"), Limit: 1}
	checkAsked(t, s, one, one)
}

// withMetrics makes the server answer GET /metrics beside the RPCs, each time with 100 MB more.
func withMetrics(t *testing.T, s *server) {
	t.Helper()
	g := grpc.NewServer()
	pb.RegisterKVServer(g, s)
	asked := 0
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			g.ServeHTTP(w, r)
			return
		}
		asked++
		_, _ = w.Write([]byte("process_resident_memory_bytes " + strings.Repeat("1", asked) + "00e+6\n"))
	})
	h := httptest.NewUnstartedServer(handler)
	h.Config.Protocols = new(http.Protocols)
	h.Config.Protocols.SetHTTP1(true)
	h.Config.Protocols.SetUnencryptedHTTP2(true)
	h.Start()
	t.Cleanup(h.Close)
	s.address = h.Listener.Addr().String()
}

func TestCheckDataScale(t *testing.T) {
	s := startServer(t)
	s.empty = true
	const begin = "Start data scale check for work load [10000 key-value pairs, 1024 bytes per key-value, 50 concurrent clients].\n"
	r := checked(s, "datascale")
	if r.code != 1 || !strings.HasSuffix(r.stdout, "FAIL: Could not read process_resident_memory_bytes before the put operations.\n") {
		t.Errorf("without metrics: %+v", r)
	}
	s.asked()
	withMetrics(t, s)
	r = checked(s, "datascale")
	if r.code != 0 || r.stdout != begin+"PASS: Approximate system memory used : N MB.\n" {
		t.Errorf("%+v", r)
	}
	keys := map[string]bool{}
	for _, m := range s.asked() {
		if put, ok := m.(*pb.PutRequest); ok {
			keys[string(put.GetKey())] = true
			if len(put.GetKey()) != len("/etcdctl-check-datascale/")+512 || len(put.GetValue()) != 512 {
				t.Fatalf("put %d bytes under %d", len(put.GetValue()), len(put.GetKey()))
			}
		}
	}
	if len(keys) != 10_000 {
		t.Errorf("put %d keys", len(keys))
	}
}

func TestCheckCleansUpWhenItIsInterrupted(t *testing.T) {
	s := startServer(t)
	s.empty = true
	r := runProcess(interrupted(s, "check", "perf"))
	if r.code != 1 || r.stdout != "" || r.stderr != "Error: interrupted: the keys are deleted, and nothing is known\n" {
		t.Errorf("%+v", r)
	}
	asked := s.asked()
	if d, ok := asked[len(asked)-1].(*pb.DeleteRangeRequest); !ok || string(d.GetKey()) != "/etcdctl-check-perf/" {
		t.Errorf("asked %v last", asked[len(asked)-1])
	}
}
