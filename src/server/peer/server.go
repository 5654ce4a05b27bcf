package peer

import (
	"net/http"
	"time"
)

// NewServer returns a server for a member's peer listener. h is Transport.Handler together with what else a member
// serves there. Slow headers and idle connections are ended (etcd#22143); the transport's own handlers replace the limit
// for a whole request by one for each read, so streams and large snapshots are not cut off.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       5 * time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
