package bootstrap

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"quoin.dev/server/membership"
)

// teller answers every request with the same.
type teller struct{ clusterID, body string }

func (a teller) RoundTrip(*http.Request) (*http.Response, error) {
	header := http.Header{}
	header.Set(membership.ClusterIDHeader, a.clusterID)
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// FuzzAnswers: what another member says about the cluster is refused, or is a list of members that can be told apart.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		`[{"id":1,"peerURLs":["http://h:1"],"name":"a"},{"id":2,"peerURLs":["http://h:2"],"isLearner":true}]`,
		`[{"id":1},{"id":1}]`, `[{"id":0}]`, `[null]`, `[]`, `null`, `[{"id":-1}]`, `{"etcdserver":"3.7.3","etcdcluster":"3.7.0"}`, `{"etcdcluster":"3"}`,
	} {
		f.Add("cdf818194e3a8c32", body)
	}
	f.Add("", "[]")
	f.Add("0x1", `[{"id":1}]`)
	f.Fuzz(func(t *testing.T, clusterID, body string) {
		o := Options{Client: &http.Client{Transport: teller{clusterID, body}}}
		if told, err := o.fetchMembersOf(t.Context(), "http://h:1"); err == nil {
			seen := map[uint64]bool{}
			for _, m := range told.members {
				seen[m.ID] = true
			}
			if len(told.members) == 0 || len(seen) != len(told.members) || seen[0] {
				t.Errorf("%q holds the members %+v", body, told.members)
			}
		}
		if v := o.clusterVersionOf(t.Context(), membership.Member{PeerURLs: []string{"http://h:1"}}); v != nil {
			if again, err := membership.ParseMinor(v.String() + ".0"); err != nil || again != *v {
				t.Errorf("%q tells the version %s, which is %s, %v", body, v, again, err)
			}
		}
	})
}
