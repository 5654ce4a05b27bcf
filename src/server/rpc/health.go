package rpc

import (
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"quoin.dev/server/member"
)

// newHealth serves grpc.health.v1: whether clients should ask this member. It follows the member until that has stopped.
func newHealth(m *member.Member) *health.Server {
	h := health.NewServer()
	reasons, changed := m.Health()
	h.SetServingStatus("", servingStatus(reasons))
	go func() {
		for !stopped(reasons) {
			<-changed
			reasons, changed = m.Health()
			h.SetServingStatus("", servingStatus(reasons))
		}
	}()
	return h
}

func servingStatus(reasons []error) healthpb.HealthCheckResponse_ServingStatus {
	if len(reasons) > 0 {
		return healthpb.HealthCheckResponse_NOT_SERVING
	}
	return healthpb.HealthCheckResponse_SERVING
}

func stopped(reasons []error) bool {
	for _, r := range reasons {
		if r == member.ErrStopped {
			return true
		}
	}
	return false
}
