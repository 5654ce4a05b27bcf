package metrics

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAnswersAreCompressedForThoseWhoReadIt(t *testing.T) {
	status := http.StatusOK
	h := atOnce(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		for range 1000 {
			_, _ = io.WriteString(w, "some text\n")
		}
	}))
	ask := func(accept string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		if accept != "" {
			r.Header.Set("Accept-Encoding", accept)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for accept, zipped := range map[string]bool{
		"": false, "identity": false, "zstd, br": false, "gzip;q=0": false, "gzip; q=0.0, identity": false,
		"gzip": true, "deflate, GZIP;q=0.5": true, "*": true, "zstd,gzip": true,
	} {
		w := NewWithT(t)
		answer := ask(accept)
		body := io.Reader(answer.Body)
		if zipped {
			w.Expect(answer.Header.Get("Content-Encoding")).To(Equal("gzip"), accept)
			w.Expect(answer.ContentLength).To(BeNumerically("<", 1000), accept)
			var err error
			body, err = gzip.NewReader(body)
			w.Expect(err).NotTo(HaveOccurred(), accept)
		} else {
			w.Expect(answer.Header).NotTo(HaveKey("Content-Encoding"), accept)
			w.Expect(answer.ContentLength).To(Equal(int64(10_000)), accept)
		}
		text, err := io.ReadAll(body)
		w.Expect(err).NotTo(HaveOccurred(), accept)
		w.Expect(text).To(HaveLen(10_000), accept)
	}
	// What goes wrong is said in clear.
	w := NewWithT(t)
	status = http.StatusServiceUnavailable
	refused := ask("gzip")
	w.Expect(refused.StatusCode).To(Equal(http.StatusServiceUnavailable))
	w.Expect(refused.Header).NotTo(HaveKey("Content-Encoding"))
	w.Expect(refused.ContentLength).To(Equal(int64(10_000)))
}
