package member

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
)

// anonymous serves like a member that does not say what it is, as etcd does not.
type anonymous struct{ http.ResponseWriter }

func (a anonymous) WriteHeader(code int) {
	a.Header().Del("Server")
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (a anonymous) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// TestWhatIsLeftOfLeasesIsRecordedAmongKin: to a member of etcd that leads, what is recorded of a lease would be all that a
// renewal gives. So it is taken back as soon as such a member comes.
func TestWhatIsLeftOfLeasesIsRecordedAmongKin(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	m := c.members[c.awaitLeader(t)]
	w.Eventually(m.company, "30s").Should(Equal(kin))
	m.grant(t, 1, 1000, "part")
	m.grant(t, 2, 2000, "whole")
	_, err := m.Propose(t.Context(), &pb.InternalRaftRequest{LeaseCheckpoint: &pb.LeaseCheckpointRequest{
		Checkpoints: []*pb.LeaseCheckpoint{{ID: 1, Remaining_TTL: 50}},
	}})
	w.Expect(err).NotTo(HaveOccurred())
	leases := func(m *Member) func() []lease.Lease {
		return func() []lease.Lease {
			list, _, _ := m.Leases()
			return list
		}
	}
	w.Consistently(leases(m), 2*companyInterval).Should(ConsistOf(lease.Lease{ID: 1, TTL: 1000, RemainingTTL: 50}, lease.Lease{ID: 2, TTL: 2000}))

	stranger := (place(c, m) + 1) % 3
	inner := c.members[stranger].PeerHandler()
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(anonymous{w}, r)
	})
	c.handlers[stranger].Store(&handler)
	c.servers[stranger].CloseClientConnections()
	for _, m := range c.members {
		w.Eventually(leases(m), "30s").Should(ConsistOf(lease.Lease{ID: 1, TTL: 1000}, lease.Lease{ID: 2, TTL: 2000}))
	}
	for i, m := range c.members {
		if i != stranger {
			w.Eventually(m.company, "30s").Should(Equal(mixed))
		}
	}

	// A member that is gone without a word is what it was.
	c.stop(stranger)
	w.Consistently(c.members[(stranger+2)%3].company, companyInterval).Should(Equal(mixed))
}
