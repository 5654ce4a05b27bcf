package interop

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"quoin.dev/quoin/e2e/interop/lab"
)

// httpRequest is a request that etcd and the subject must answer alike.
type httpRequest struct {
	method, path, body string
	headers            []string // names and values
	// lines is how many lines of a response are compared that has no end; 0: all of it.
	lines int
}

func postJSON(path, body string, headers ...string) httpRequest {
	return httpRequest{method: http.MethodPost, path: path, body: body, headers: headers}
}

func getPath(path string, headers ...string) httpRequest {
	return httpRequest{method: http.MethodGet, path: path, headers: headers}
}

// jsonBytes is that many bytes as JSON has them.
func jsonBytes(n int) string { return `"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"` }

// gatewayRequests are sent in this order. What was captured of a cluster is replayed beside the server's code; here is what lies
// between.
var gatewayRequests = []httpRequest{
	postJSON("/v3/kv/put", `{"key":"eA==","value":"eA=="}`),
	postJSON("/v3/kv/put", `{"key":"eA==","value":"eA==","lease":"77"}`),
	postJSON("/v3/kv/put", `{"key":"eA==","ignore_value":true,"value":"eA=="}`),
	postJSON("/v3/kv/put", `{"key":"eA==","value":`+jsonBytes(1600000)+`}`),
	postJSON("/v3/kv/put", `{"key":"eA==","value":`+jsonBytes(2100000)+`}`),
	postJSON("/v3/kv/put", `{"key":"eA-_","value":"eA"}`), // another base64
	postJSON("/v3/kv/range", `{"key":"eA-_"}`),
	postJSON("/v3/kv/range", `{"key":"AA==","range_end":"AA==","sort_target":"VALUE","sort_order":"DESCEND","keys_only":true}`),
	postJSON("/v3/kv/range", `{"key":"eA=="} trailing`),
	postJSON("/v3/kv/range", `[1]`),
	postJSON("/v3/kv/range", `null`),
	postJSON("/v3/kv/range", `{}`),
	postJSON("/v3/kv/range", ``),
	postJSON("/v3/kv/range", `{"key":"eA==","limit":"x"}`),
	postJSON("/v3/kv/range", `{"key":"eA==","limit":1.5}`),
	postJSON("/v3/kv/range", `{"key":"eA==","limit":1e3}`),
	postJSON("/v3/kv/range", `{"key":"eA==","key":"eQ=="}`),
	postJSON("/v3/kv/range", `{"key":null}`),
	postJSON("/v3/kv/range", `{"key":"eA==","sort_order":"SIDEWAYS"}`),
	postJSON("/v3/kv/range", `{"key":"eA==","sortOrder":"ASCEND","sort_order":"ASCEND"}`),
	postJSON("/v3/kv/range?key=eQ==", `{}`),
	postJSON("/v3/kv/range", `{"key":"eA=="}`, "Content-Type", "text/plain", "Origin", "http://anywhere.example"),
	postJSON("/v3/kv/range", `{"key":"eA=="}`, "Content-Type", "application/x-www-form-urlencoded"),
	postJSON("/v3/kv/range", `key=eA==`, "Content-Type", "application/x-www-form-urlencoded", "X-HTTP-Method-Override", "GET"),
	postJSON("/v3/kv/range", `{"key":"eA=="}`, "Grpc-Timeout", "1n"),
	postJSON("/v3/kv/range", `{"key":"eA=="}`, "Grpc-Timeout", "1x"),
	postJSON("/v3/kv/range", `{"key":"eA=="}`, "Grpc-Metadata-Hasleader", "true"),
	postJSON("/v3/kv/range", `{"key":"eA=="}`, "Authorization", "of nobody", "Grpc-Metadata-Token", "of nobody"),
	postJSON("/v3/kv/range/", `{"key":"eA=="}`),
	postJSON("/v3//kv/range", `{"key":"eA=="}`),
	postJSON("/v3/kv/../kv/range", `{"key":"eA=="}`),
	postJSON("/v3beta/kv/range", `{"key":"eA=="}`),
	postJSON("/v3beta", `{}`),
	postJSON("/v3/KV/range", `{"key":"eA=="}`),
	postJSON("/v3/kv/txn", `{"compare":[{"key":"eA==","result":"EQUAL","target":"CREATE","create_revision":"2"}],"success":[{"requestDeleteRange":{"key":"eA==","prev_kv":true}}]}`),
	postJSON("/v3/kv/txn", `{"success":[{"request_put":{"key":"eA=="},"request_range":{"key":"eA=="}}]}`),
	postJSON("/v3/kv/txn", `{"success":[{}]}`),
	postJSON("/v3/kv/compaction", `{"revision":"2","physical":true}`),
	postJSON("/v3/kv/compaction", `{"revision":"1"}`),
	postJSON("/v3/lease/grant", `{"ID":"9","TTL":"10000"}`),
	postJSON("/v3/lease/grant", `{"ID":"10","TTL":"9000000001"}`),
	postJSON("/v3/lease/keepalive", `{"ID":"9"}{"ID":"1"}`+"\n\n"+`{"ID":"9"}`),
	postJSON("/v3/lease/keepalive", ``),
	postJSON("/v3/kv/lease/revoke", `{"ID":"9"}`),
	{method: http.MethodPost, path: "/v3/watch", body: `{"create_request":{"key":"eA==","start_revision":"1"}}`, lines: 2},
	{method: http.MethodPost, path: "/v3/watch", body: `{"create_request":{"key":"eA==","start_revision":"3","filters":["NODELETE"]}}{"create_request":{"key":"eQ=="}}`, lines: 2},
	{method: http.MethodPost, path: "/v3/watch", body: `{"create_request":{"key":"eQ==","range_end":"eA=="}}`, lines: 1},
	postJSON("/v3/election/proclaim", `{"value":"eA=="}`),
	postJSON("/v3/lock/unlock", `{"key":"bm9uZQ=="}`),
	postJSON("/v3/maintenance/downgrade", `{"action":"ENABLE","version":"3.5"}`),
	postJSON("/v3/maintenance/transfer-leadership", `{}`),
	postJSON("/v3/cluster/member/list", `{"linearizable":true}`),
	getPath("/v3/kv/range"), getPath("/v3/nope"), getPath("/v3"), getPath("/v3/"),
	{method: http.MethodHead, path: "/v3/kv/range"}, {method: http.MethodOptions, path: "/v3/kv/range"}, {method: http.MethodDelete, path: "/v3/kv/range"},
	getPath("/health"), getPath("/health?serializable=TRUE"), getPath("/health/"), getPath("/livez/"), getPath("/readyz/serializable_read?verbose&exclude=serializable_read"),
	getPath("/livez?exclude="), getPath("/version"), getPath("/version/"), getPath("/metrics/"), getPath("/debug/pprof"), getPath("/debug/pprof/"),
	getPath("/debug/requests"), getPath("/../health"), getPath("/favicon.ico"),
}

// ofOneRun are what differs between clusters.
var ofOneRun = regexp.MustCompile(`"(cluster_id|member_id|raft_term|ID|name|peerURLs|clientURLs)":("[0-9a-z]{2,}"|\["[^"]*"\])`)

// httpAnswer sends a request and describes the answer.
func httpAnswer(t *testing.T, m *lab.Member, r httpRequest) string {
	t.Helper()
	request, err := http.NewRequestWithContext(deadline(t), r.method, "http://"+m.Endpoint, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = r.path // as it is
	for i := 0; i < len(r.headers); i += 2 {
		request.Header.Set(r.headers[i], r.headers[i+1])
		if r.headers[i] == "Host" {
			request.Host = r.headers[i+1]
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer response.Body.Close()
	var body []byte
	if lines := bufio.NewReader(response.Body); r.lines > 0 {
		for range r.lines {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				t.Fatal(err)
			}
			body = append(body, line...)
		}
	} else if body, err = io.ReadAll(lines); err != nil {
		t.Fatal(err)
	}
	var headers []string
	for _, name := range []string{"Content-Type", "Location", "Allow", "Grpc-Metadata-Content-Type", "Www-Authenticate",
		"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"} {
		headers = append(headers, name+": "+response.Header.Get(name))
	}
	return fmt.Sprintf("%d\n%s\n%s", response.StatusCode, strings.Join(headers, "\n"), plainJSON(body))
}

// plainJSON takes away what differs between clusters, and the spaces that a library puts into JSON and errors by the build.
func plainJSON(body []byte) string {
	body = bytes.ReplaceAll(body, []byte("\u00a0"), []byte(" "))
	var out bytes.Buffer
	for _, line := range bytes.SplitAfter(body, []byte("\n")) {
		if json.Compact(&out, line) != nil {
			out.Write(line)
		}
		out.WriteByte('\n')
	}
	return ofOneRun.ReplaceAllString(out.String(), `"$1":"…"`)
}

// TestHTTPAlike sends the same requests to etcd and to the subject.
func TestHTTPAlike(t *testing.T) {
	t.Parallel()
	etcd, subject := lab.StartOne(t, lab.Etcd), lab.StartOne(t, lab.Subject(t))
	for _, r := range gatewayRequests {
		if want, got := httpAnswer(t, etcd, r), httpAnswer(t, subject, r); want != got {
			t.Errorf("%s %s %.120s %v:\netcd says %.600s\n%s says %.600s", r.method, r.path, r.body, r.headers, want, subject.Kind, got)
		}
	}
}

// Where --cors and --host-whitelist name who is allowed, they are the same for both; but the subject also refuses what etcd only hides
// the answer of (CVE-2018-1098).
func TestHTTPForPagesAlike(t *testing.T) {
	t.Parallel()
	flags := []string{"--cors=http://good.example:8080", "--host-whitelist=localhost,good.example"}
	etcd, subject := lab.StartOne(t, lab.Etcd, flags...), lab.StartOne(t, lab.Subject(t), flags...)
	const good, evil = "http://good.example:8080", "http://evil.example:8080"
	for _, r := range []httpRequest{
		getPath("/health", "Host", "localhost"), getPath("/health", "Host", "good.example:99"),
		getPath("/health", "Host", "localhost", "Origin", good), getPath("/health", "Host", "localhost", "Origin", evil),
		{method: http.MethodOptions, path: "/v3/kv/range", headers: []string{"Host", "localhost", "Origin", good}},
		{method: http.MethodOptions, path: "/v3/kv/range", headers: []string{"Host", "localhost", "Origin", evil}},
		postJSON("/v3/kv/range", `{"key":"eA=="}`, "Host", "localhost", "Origin", good), postJSON("/v3/kv/range", `{"key":"eA=="}`, "Host", "localhost"),
	} {
		if want, got := httpAnswer(t, etcd, r), httpAnswer(t, subject, r); want != got {
			t.Errorf("%s %s %v:\netcd says %s\n%s says %s", r.method, r.path, r.headers, want, subject.Kind, got)
		}
	}
	for _, host := range []string{"evil.example", "127.0.0.1", "localhost.evil.example:80", "[::1]:80"} { // CVE-2018-1099
		for _, m := range []*lab.Member{etcd, subject} {
			if got := httpAnswer(t, m, getPath("/health", "Host", host)); !strings.HasPrefix(got, "421\n") {
				t.Errorf("%s under the name %s: %s", m.Kind, host, got)
			}
		}
	}
	if subject.Kind == lab.Quoin {
		if got := httpAnswer(t, subject, postJSON("/v3/kv/put", `{"key":"eA=="}`, "Host", "localhost", "Origin", evil)); !strings.HasPrefix(got, "403\n") {
			t.Errorf("a put for a page that is not allowed: %s", got)
		}
	}
}

// webSocket says lines over a WebSocket, and describes what comes back until nothing comes any more, or so many frames have come.
func webSocket(t *testing.T, m *lab.Member, path string, frames int, lines ...string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", m.Endpoint, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Protocol: Bearer, token\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, m.Endpoint)
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	said := []string{response.Status, response.Header.Get("Sec-WebSocket-Accept"), response.Header.Get("Sec-WebSocket-Protocol")}
	for _, line := range lines {
		_, _ = conn.Write(append([]byte{0x81, 0x80 | byte(len(line)), 0, 0, 0, 0}, line...)) // one text frame, with a mask that changes nothing
	}
	for range frames {
		var head [2]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			t.Fatal(err)
		}
		size := int(head[1])
		if size == 126 {
			var long [2]byte
			if _, err := io.ReadFull(in, long[:]); err != nil {
				t.Fatal(err)
			}
			size = int(long[0])<<8 | int(long[1])
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(in, payload); err != nil {
			t.Fatal(err)
		}
		said = append(said, fmt.Sprintf("%x %s", head[0], plainJSON(payload)))
	}
	return strings.Join(said, "\n")
}

func TestWebSocketAlike(t *testing.T) {
	t.Parallel()
	etcd, subject := lab.StartOne(t, lab.Etcd), lab.StartOne(t, lab.Subject(t))
	for _, c := range []struct {
		path   string
		frames int
		lines  []string
	}{
		{"/v3/watch", 2, []string{`{"create_request":{"key":"eA=="}}`, `{"create_request":{"key":"eQ==","watch_id":"5"}}`}},
		{"/v3/watch", 2, []string{`{"create_request":{"key":"eA=="}}`, `{"cancel_request":{"watch_id":"0"}}`}},
		{"/v3/watch?method=GET", 1, []string{"{\"create_request\":\n{\"key\":\"eA==\"}}"}},
		{"/v3beta/watch", 1, []string{`{"create_request":{"key":"eA==","start_revision":"-1"}}`}},
		{"/v3/lease/keepalive", 2, []string{`{"ID":"1"}`, `{"ID":"2"}`}},
		{"/v3/nope", 1, []string{`{"ID":"1"}`}},
	} {
		if want, got := webSocket(t, etcd, c.path, c.frames, c.lines...), webSocket(t, subject, c.path, c.frames, c.lines...); want != got {
			t.Errorf("%s %q:\netcd says %s\n%s says %s", c.path, c.lines, want, subject.Kind, got)
		}
	}
}
