package embed

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/audit"
)

// TestLoginsDoNotStarveOthers floods a member with logins, each of which takes a hash of a password, while a user who has a token
// already puts keys: every put has to be answered.
func TestLoginsDoNotStarveOthers(t *testing.T) {
	w := NewWithT(t)
	a := startAudited(t, audit.LevelDenied)
	flood, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	var logins atomic.Int64
	for range 50 {
		clients.Go(func() {
			for flood.Err() == nil {
				if _, err := a.auth.Authenticate(flood, &pb.AuthenticateRequest{Name: "alice", Password: alicePassword}); err == nil {
					logins.Add(1)
				}
			}
		})
	}
	w.Eventually(logins.Load, "60s").Should(BeNumerically(">", 50))
	ctx, cancel := context.WithTimeout(a.as(a.aliceToken), 2*time.Minute)
	defer cancel()
	for i := range 100 {
		_, err := a.kv.Put(ctx, &pb.PutRequest{Key: fmt.Appendf(nil, "a%d", i)})
		w.Expect(err).NotTo(HaveOccurred())
	}
	stop()
	clients.Wait()
}
