package client

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/rpctypes"
)

// line is a stream in both directions that is opened again when it breaks. A goroutine opens it and reads from it; what
// comes is handed over on a channel, so that the one goroutine that owns the line can wait for other things as well.
type line[Q, A any] struct {
	c       *Client
	method  string
	dial    func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[Q, A], error)
	running *sync.WaitGroup // counts the goroutine

	arrivals chan arrival[Q, A] // from the present stream, unbuffered
	cancel   context.CancelFunc // ends the present stream
	attempt  uint               // number of streams that broke early, in a row
	opened   time.Time
	token    string // that the last stream was opened with
	refused  bool   // that token, or the one before, was refused; until the owner calls accepted
}

// arrival is one of three things.
type arrival[Q, A any] struct {
	opened grpc.BidiStreamingClient[Q, A]
	token  string // goes with opened
	msg    *A
	err    error // the stream is over
}

// lived is how long a stream has to last for its end to be taken as the first of its kind. It is above the longest pause.
const lived = 2 * time.Second

// open ends the present stream, if there is one, and opens another.
func (l *line[Q, A]) open(ctx context.Context) {
	l.close()
	ctx, l.cancel = context.WithCancel(ctx)
	arrivals := make(chan arrival[Q, A])
	l.arrivals, l.opened = arrivals, time.Now()
	attempt, refused, token := l.attempt, l.refused, l.token
	l.running.Go(func() {
		l.read(ctx, arrivals, func() error {
			switch {
			case attempt > 0 && !l.c.pause(ctx, attempt-1):
				return ctx.Err()
			case refused:
				return l.c.replaceToken(ctx, token)
			}
			return nil
		})
	})
}

// close ends the present stream. What it still had to say is dropped.
func (l *line[Q, A]) close() {
	if l.cancel != nil {
		l.cancel()
		l.arrivals = nil
	}
}

func (l *line[Q, A]) read(ctx context.Context, arrivals chan<- arrival[Q, A], prepare func() error) {
	hand := func(a arrival[Q, A]) bool {
		select {
		case arrivals <- a:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if err := prepare(); err != nil {
		hand(arrival[Q, A]{err: err})
		return
	}
	token := l.c.access.token()
	stream, err := l.dial(ctx)
	if err != nil {
		hand(arrival[Q, A]{err: err})
		return
	}
	for next := (arrival[Q, A]{opened: stream, token: token}); hand(next) && next.err == nil; {
		next = arrival[Q, A]{}
		next.msg, next.err = stream.Recv()
	}
}

// renew reports whether a new token may help after one was refused, and has the next stream opened with it.
func (l *line[Q, A]) renew() bool {
	if l.refused {
		return false // a fresh token that is refused as well is not out of date
	}
	l.refused = true
	return true
}

// accepted notes that the member took the token.
func (l *line[Q, A]) accepted() { l.refused = false }

// broke notes the end of the present stream and reports whether another one may last longer.
func (l *line[Q, A]) broke(err error) bool {
	if time.Since(l.opened) > lived {
		l.attempt = 0
	}
	l.attempt++
	l.c.lg.Warn("a stream broke", zap.String("method", l.method), zap.Uint("attempt", l.attempt), zap.Error(err))
	if l.c.refusedToken(l.method, err) {
		return l.renew()
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.Internal, codes.DeadlineExceeded:
		return true
	}
	return errors.Is(err, io.EOF) || rpctypes.ErrorDesc(err) == rpctypes.ErrorDesc(rpctypes.ErrGRPCWatchCanceled)
}
