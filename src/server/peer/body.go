package peer

import (
	"context"
	"io"
	"net/http"
	"time"
)

// requestContext ends with the request or with the transport, whichever is first; release frees it.
func (t *Transport) requestContext(r *http.Request) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(r.Context())
	unhook := onDone(t.ctx, cancel)
	return ctx, func() {
		unhook()
		cancel()
	}
}

// onDone calls f when ctx ends, unless the returned function is called before; after that f neither runs nor will.
func onDone(ctx context.Context, f func()) (unhook func()) {
	ran := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ran)
		f()
	})
	return func() {
		if !stop() {
			<-ran
		}
	}
}

// limitBody returns the body of a request with a limit to its bytes, a deadline for each read (so a large body may take
// its time, but not stand still), and an end when the transport stops; release frees it.
func (t *Transport) limitBody(w http.ResponseWriter, r *http.Request, limit int64) (body io.Reader, release func()) {
	b := &movingBody{
		ctx:     t.ctx,
		body:    http.MaxBytesReader(w, r.Body, limit),
		control: http.NewResponseController(w),
		timeout: t.cfg.ReadTimeout,
	}
	return b, onDone(t.ctx, func() { b.deadline(time.Unix(1, 0)) })
}

// movingBody is a request body that has to keep moving.
type movingBody struct {
	ctx     context.Context
	body    io.Reader
	control *http.ResponseController
	timeout time.Duration
}

// Read implements io.Reader.
func (b *movingBody) Read(p []byte) (int, error) {
	b.deadline(time.Now().Add(b.timeout))
	// Looking at the context after setting the deadline, not before, leaves no moment in which Stop could be missed.
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	if err == io.EOF {
		// The server goes on to watch the connection for a hang-up, which must not end with this deadline. After any
		// other error the deadline stays: the server will try to read the rest, and must not wait for it.
		b.deadline(time.Time{})
	}
	return n, err
}

func (b *movingBody) deadline(at time.Time) {
	// A writer that knows no deadlines (a test's recorder) does without.
	_ = b.control.SetReadDeadline(at)
}
