// Package discovery finds the founding members of a new cluster when no flag names them: in DNS, or in another cluster at which
// they all report.
package discovery

import (
	"context"
	"net"
	"time"

	"go.uber.org/zap"
)

// Self is the member that looks for the others.
type Self struct {
	Name     string
	PeerURLs []string // as the others reach it, sorted
}

// Resolver asks DNS, as net.Resolver does.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// lookupTimeout bounds all questions to DNS.
const lookupTimeout = 30 * time.Second

func logger(l *zap.Logger) *zap.Logger {
	if l == nil {
		return zap.NewNop()
	}
	return l
}
