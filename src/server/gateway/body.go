package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// readAhead reads a body that is not to become long, and returns what it has read.
func (g *Gateway) readAhead(w http.ResponseWriter, r *http.Request, control *http.ResponseController) io.ReadCloser {
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(g.options.MaxMessageBytes)))
	if err == nil {
		err = io.EOF
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(text), failed{err}))
}

// failed is what can not be read.
type failed struct{ err error }

// Read implements io.Reader.
func (f failed) Read([]byte) (int, error) { return 0, f.err }

// duplexBody is a body that one goroutine reads while another writes the response.
type duplexBody struct {
	io.ReadCloser
	turn chan struct{} // holds a value during a read
	over chan struct{}
}

func newDuplexBody(body io.ReadCloser) *duplexBody {
	return &duplexBody{ReadCloser: body, turn: make(chan struct{}, 1), over: make(chan struct{})}
}

// Read implements io.Reader.
func (b *duplexBody) Read(p []byte) (int, error) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-b.over:
	}
	select {
	case <-b.over:
		return 0, http.ErrBodyReadAfterClose
	default:
		return b.ReadCloser.Read(p)
	}
}

// end stops the reading. It gives a client that is about to send the time to do so: the server closes the connection of a request
// whose body is being read when its response is over, and the client's write would break. It does not wait for long, as a client may
// have nothing to send before it sees the end.
func (b *duplexBody) end(ctx context.Context) {
	close(b.over)
	select {
	case b.turn <- struct{}{}:
	case <-time.After(bodyLinger):
	case <-ctx.Done():
	}
}
