package metrics

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// gzipLevel takes a third of the time of the default one for text like this.
const gzipLevel = 2

// answer is what a handler says, before it goes to the client. It is kept for the next one, since its buffers are large.
type answer struct {
	to         http.ResponseWriter
	status     int
	body, zips bytes.Buffer
	gzip       *gzip.Writer
}

var answers = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzipLevel)
	if err != nil {
		panic(err) // the level is a constant
	}
	return &answer{gzip: z}
}}

// atOnce sends what h says in one piece, compressed where the client wants that: h writes a few bytes at a time.
func atOnce(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answers.Get().(*answer)
		a.to, a.status = w, http.StatusOK
		defer func() {
			a.to = nil
			a.body.Reset()
			a.zips.Reset()
			answers.Put(a)
		}()
		h.ServeHTTP(a, r)
		body := &a.body
		if a.status == http.StatusOK && acceptsGzip(r.Header) {
			body = &a.zips
			a.gzip.Reset(body)
			_, _ = a.gzip.Write(a.body.Bytes()) // a buffer takes everything
			_ = a.gzip.Close()
			w.Header().Set("Content-Encoding", "gzip")
		}
		w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
		w.WriteHeader(a.status)
		_, _ = w.Write(body.Bytes()) // who has broken the connection does not want to hear of it
	})
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.to.Header() }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// acceptsGzip reports whether a client says that it reads gzip.
func acceptsGzip(h http.Header) bool {
	for _, list := range h.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(list, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			if name = strings.TrimSpace(name); strings.EqualFold(name, "gzip") || name == "*" {
				q, given := strings.CutPrefix(strings.TrimSpace(weight), "q=")
				return !given || strings.Trim(q, "0.") != ""
			}
		}
	}
	return false
}
