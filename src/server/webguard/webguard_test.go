package webguard

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/gomega"
)

const trusted = "https://app.example:443"

func guarded(t *testing.T, o Options) http.Handler {
	t.Helper()
	g, err := New(o, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return g
}

func ask(h http.Handler, method, host string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "http://"+host+"/v3/kv/put", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// A page that makes a browser believe that the server is the origin of the page (CVE-2018-1099).
func TestHostsThatAreNotOurs(t *testing.T) {
	w := NewWithT(t)
	h := guarded(t, Options{Origins: []string{"*"}, Hosts: []string{"localhost", "Store.example", "::1"}})
	for host, want := range map[string]int{
		"localhost": http.StatusTeapot, "localhost:2379": http.StatusTeapot, "store.EXAMPLE:1": http.StatusTeapot, "[::1]:2379": http.StatusTeapot,
		"[::1]": http.StatusTeapot, "evil.example": http.StatusMisdirectedRequest, "localhost.evil.example": http.StatusMisdirectedRequest,
		"127.0.0.1:2379": http.StatusMisdirectedRequest,
	} {
		w.Expect(ask(h, http.MethodGet, host).StatusCode).To(Equal(want), host)
		w.Expect(ask(h, http.MethodOptions, host).StatusCode == http.StatusOK).To(Equal(want == http.StatusTeapot), host)
	}
	r := httptest.NewRequest(http.MethodGet, "https://evil.example/", nil)
	r.TLS = &tls.ConnectionState{}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	w.Expect(answer.Code).To(Equal(http.StatusTeapot), "TLS vouches for the name")
	for _, hosts := range [][]string{nil, {"*"}, {"localhost", "*"}} {
		w.Expect(ask(guarded(t, Options{Hosts: hosts}), http.MethodGet, "evil.example").StatusCode).To(Equal(http.StatusTeapot))
	}
}

// A page of another origin that sends what changes something (CVE-2018-1098). etcd 3.7.3 does it, and only hides the answer from the
// page.
func TestRequestsForPagesOfOtherOrigins(t *testing.T) {
	h := guarded(t, Options{Origins: []string{trusted}})
	for name, c := range map[string]struct {
		method  string
		headers []string
		want    int
	}{
		"a program":                      {http.MethodPost, nil, http.StatusTeapot},
		"a page of ours":                 {http.MethodPost, []string{"Origin", "http://store.example"}, http.StatusTeapot},
		"a page of ours, by the browser": {http.MethodPost, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://store.example"}, http.StatusTeapot},
		"a page that is allowed":         {http.MethodPost, []string{"Sec-Fetch-Site", "cross-site", "Origin", trusted}, http.StatusTeapot},
		"as browsers spell it":           {http.MethodPost, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"}, http.StatusTeapot},
		"another page":                   {http.MethodPost, []string{"Origin", "http://evil.example"}, http.StatusForbidden},
		"a form":                         {http.MethodPost, []string{"Origin", "http://evil.example", "Content-Type", "text/plain"}, http.StatusForbidden},
		"another port of the same host":  {http.MethodPost, []string{"Origin", "http://store.example:81"}, http.StatusForbidden},
		"a sandbox":                      {http.MethodPost, []string{"Origin", "null"}, http.StatusForbidden},
		"by the browser's word":          {http.MethodPut, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"a WebSocket of another page":    {http.MethodGet, []string{"Origin", "http://evil.example", "Upgrade", "websocket"}, http.StatusForbidden},
		"a WebSocket of a page of ours":  {http.MethodGet, []string{"Origin", "http://store.example", "Upgrade", "websocket"}, http.StatusTeapot},
		"what changes nothing":           {http.MethodGet, []string{"Origin", "http://evil.example"}, http.StatusTeapot},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			w.Expect(ask(h, c.method, "store.example", c.headers...).StatusCode).To(Equal(c.want))
			everyone := guarded(t, Options{Origins: []string{"*"}})
			w.Expect(ask(everyone, c.method, "store.example", c.headers...).StatusCode).To(Equal(http.StatusTeapot), "where all may")
		})
	}
}

func TestBrowsersLearnWhoMaySeeAnswers(t *testing.T) {
	w := NewWithT(t)
	const allow = "Access-Control-Allow-Origin"
	everyone, one := guarded(t, Options{Origins: []string{"*"}}), guarded(t, Options{Origins: []string{trusted}})
	for _, method := range []string{http.MethodGet, http.MethodOptions} {
		w.Expect(ask(everyone, method, "x").Header.Get(allow)).To(Equal("*"))
		w.Expect(ask(everyone, method, "x", "Origin", "http://y").Header.Get(allow)).To(Equal("*"))
		w.Expect(ask(one, method, "x", "Origin", trusted).Header.Get(allow)).To(Equal(trusted))
		w.Expect(ask(one, method, "x", "Origin", trusted).Header.Get("Vary")).To(Equal("Origin"))
		w.Expect(ask(one, method, "x", "Origin", "http://y").Header).NotTo(HaveKey(allow))
		w.Expect(ask(one, method, "x").Header).NotTo(HaveKey(allow))
	}
	w.Expect(ask(everyone, http.MethodOptions, "x").StatusCode).To(Equal(http.StatusOK))
}

func TestOriginsMustBeURLs(t *testing.T) {
	_, err := New(Options{Origins: []string{"nonsense"}}, nil)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("nonsense")))
}
