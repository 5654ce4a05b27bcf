package oneport

import (
	"context"
	"crypto/tls"
	"math"
	"net"
	"net/http"
	"time"
)

// Limits of HTTP connections.
const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	headerMaxBytes = 64 << 10
)

// NewHTTPServer returns a server for Port.HTTP. maxStreams bounds the requests that one connection of HTTP/2 has open at a time; more
// wait. There is no limit for a whole request or response, since watches last: that is for the handler.
func NewHTTPServer(handler http.Handler, maxStreams uint32) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // what was encrypted is not any more when it comes here
	return &http.Server{
		Handler:           knowingTLS(handler),
		Protocols:         &protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: int(min(maxStreams, math.MaxInt32))},
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMaxBytes,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, stateKey{}, stateOf(conn))
		},
	}
}

// stateKey finds the TLS state of a connection in the context of its requests.
type stateKey struct{}

// knowingTLS sets Request.TLS, which net/http knows for its own connections only.
func knowingTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS, _ = r.Context().Value(stateKey{}).(*tls.ConnectionState)
		next.ServeHTTP(w, r)
	})
}
