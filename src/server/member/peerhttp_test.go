package member

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"

	"quoin.dev/server/membership"
)

// FuzzPeerRequests: whatever comes to the peer port beside raft's messages is answered, and never with a failure of this member.
func FuzzPeerRequests(f *testing.F) {
	renew, err := (&pb.LeaseKeepAliveRequest{ID: 1}).MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	ask, err := (&leasepb.LeaseInternalRequest{LeaseTimeToLiveRequest: &pb.LeaseTimeToLiveRequest{ID: 1, Keys: true}}).MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	m := beginReady(f, alone(f))
	cluster := membership.FormatID(m.clusterID)
	f.Add(http.MethodPost, leasesPath, "", renew)
	f.Add(http.MethodPost, leasesInternalPath, "", ask)
	f.Add(http.MethodPost, leasesInternalPath, "", []byte{})
	f.Add(http.MethodGet, "/members/hashkv", cluster, []byte(`{"revision":1}`))
	f.Add(http.MethodGet, "/members/hashkv", "1", []byte(`{"revision":-1}`))
	f.Add(http.MethodPost, promotePath+decimal(m.id), "", []byte{})
	f.Add(http.MethodPost, promotePath+"x", "", []byte{})
	f.Add(http.MethodGet, "/members", "", []byte{})
	f.Add(http.MethodGet, "/version", "", []byte{})
	f.Add(http.MethodGet, "/downgrade/enabled", "", []byte{})
	handler := m.PeerHandler()
	f.Fuzz(func(t *testing.T, method, path, clusterID string, body []byte) {
		if strings.HasPrefix(path, "/raft") { // has targets of its own
			return
		}
		r := (&http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}).WithContext(t.Context())
		r.Header.Set(membership.ClusterIDHeader, clusterID)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code >= http.StatusInternalServerError {
			t.Errorf("%s %q with %q: %d %s", method, path, body, answer.Code, answer.Body)
		}
	})
}
