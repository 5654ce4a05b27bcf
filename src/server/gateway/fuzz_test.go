package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"
)

// FuzzBody: whatever is posted as a request of one message is answered in JSON, by the member or by the gateway.
func FuzzBody(f *testing.F) {
	s := serve(f, Options{})
	var paths []string
	protoregistry.GlobalFiles.RangeFilesByPackage("etcdserverpb", eachPath(func(_, path string) {
		if !s.streaming[path] {
			paths = append(paths, path)
		}
	}))
	slices.Sort(paths)
	for i, body := range []string{
		`{"key":"YQ=="}`, `{"key":"YQ==","limit":"3","sort_order":"DESCEND"}`, `{"key":"a b"}`, `{"key":7}`, `{"limit":1e99}`, `{"sort_order":9}`, `[]`, `null`, ``, `{`, "\xff",
		`{"compare":[{"result":"EQUAL","key":"YQ==","value":"YQ=="}],"success":[{"request_txn":{"success":[{"request_put":{"key":"YQ=="}}]}}]}`,
		`{"request_put":{},"request_range":{}}`, `{"key":"YQ==","key":"Yg=="}`, `{"ID":"-1"}`, `{"a":` + strings.Repeat("[", 400) + strings.Repeat("]", 400) + `}`,
	} {
		f.Add(slices.Index(paths, "/v3/kv/range"), body)
		f.Add(i, body)
	}
	f.Fuzz(func(t *testing.T, at int, body string) {
		path := paths[uint(at)%uint(len(paths))]
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		if !json.Valid(answer.Body.Bytes()) {
			t.Errorf("POST %s with %q: %d, and no JSON: %q", path, body, answer.Code, answer.Body)
		}
		reached := false
		select {
		case <-s.seen:
			reached = true
		default:
		}
		if reached != (answer.Code == http.StatusOK) || answer.Code != http.StatusOK && answer.Code != http.StatusBadRequest && answer.Code != http.StatusNotImplemented {
			t.Errorf("POST %s with %q: %d, reached the member: %v", path, body, answer.Code, reached)
		}
	})
}
