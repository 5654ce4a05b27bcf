package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

// bearer is the subprotocol by which a page brings a token: a browser lets it set no header. The token comes second.
const bearer = "Bearer"

func wantsSocket(r *http.Request) bool {
	return headerHas(r.Header, "Connection", "upgrade") && headerHas(r.Header, "Upgrade", "websocket")
}

// headerHas looks for one word in the comma-separated lists of a header.
func headerHas(h http.Header, name, word string) bool {
	return slices.ContainsFunc(words(h, name), func(w string) bool { return strings.EqualFold(w, word) })
}

func words(h http.Header, name string) (all []string) {
	for _, line := range h.Values(name) {
		for word := range strings.SplitSeq(line, ",") {
			all = append(all, strings.TrimSpace(word))
		}
	}
	return all
}

// serveSocket serves one request over a WebSocket: every message that comes is one of the request, and every line of the response is
// sent as a message. The request ends with the socket.
func (g *Gateway) serveSocket(w http.ResponseWriter, r *http.Request) {
	// That its origin may call was checked on the way here, and what was set for a response is not for this one.
	clear(w.Header())
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{bearer}, InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = socket.CloseNow() }()
	socket.SetReadLimit(int64(g.options.MaxMessageBytes))
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()

	body, messages := io.Pipe()
	defer func() { _ = body.Close() }()
	go func() {
		defer cancel()
		messages.CloseWithError(receive(ctx, socket, messages))
	}()
	lines := &socketWriter{ctx: ctx, socket: socket, header: http.Header{}}
	g.mux.ServeHTTP(lines, asRequest(r.WithContext(ctx), socket.Subprotocol(), &streamBody{body, cancel}))
	lines.finish()
	if ctx.Err() == nil {
		_ = socket.Close(websocket.StatusNormalClosure, "")
	}
}

// receive writes messages to a pipe until the socket ends.
func receive(ctx context.Context, socket *websocket.Conn, to io.Writer) error {
	for {
		_, message, err := socket.Read(ctx)
		if err != nil {
			return err
		}
		if _, err := to.Write(append(message, '\n')); err != nil {
			return err
		}
	}
}

// asRequest is the request that a client would have sent with POST.
func asRequest(r *http.Request, subprotocol string, body io.ReadCloser) *http.Request {
	r = r.Clone(r.Context())
	r.Method, r.Body, r.ContentLength = http.MethodPost, body, -1
	if offered := words(r.Header, "Sec-WebSocket-Protocol"); subprotocol == bearer && len(offered) == 2 {
		r.Header.Set("Authorization", bearer+" "+offered[1])
	}
	for _, name := range []string{"Connection", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} {
		r.Header.Del(name)
	}
	return r
}

// socketWriter is an http.ResponseWriter that sends each line as a text message.
type socketWriter struct {
	ctx    context.Context
	socket *websocket.Conn
	header http.Header
	line   []byte
}

// Header implements http.ResponseWriter; nobody sees it.
func (s *socketWriter) Header() http.Header { return s.header }

// WriteHeader implements http.ResponseWriter: what went wrong is said in the body.
func (s *socketWriter) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (s *socketWriter) Write(p []byte) (int, error) {
	s.line = append(s.line, p...)
	for {
		line, rest, whole := bytes.Cut(s.line, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		if err := s.send(line); err != nil {
			return 0, err
		}
		s.line = rest
	}
}

// Flush implements http.Flusher: lines go out as they come.
func (s *socketWriter) Flush() {}

// finish sends what has no end of line, such as an error.
func (s *socketWriter) finish() {
	if len(s.line) > 0 {
		_ = s.send(s.line)
	}
}

func (s *socketWriter) send(line []byte) error {
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	return s.socket.Write(ctx, websocket.MessageText, line)
}
