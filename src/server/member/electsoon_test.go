package member

import (
	"context"
	"net"
	"testing"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"

	"quoin.dev/server/config"
)

func TestQuorumIsNoticed(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.members[0] = begin(t, c.cfgs[0])
	handler := c.members[0].PeerHandler()
	c.handlers[0].Store(&handler)
	w.Expect(c.members[0].connectedQuorum()).To(BeFalse())
	c.start(t, 1)
	w.Eventually(c.members[0].connectedQuorum, "30s").Should(BeTrue())
	c.stop(1)
	c.servers[1].CloseClientConnections()
	c.servers[0].CloseClientConnections()
	w.Eventually(c.members[0].connectedQuorum, "30s").Should(BeFalse())
	w.Expect(beginReady(t, alone(t)).connectedQuorum()).To(BeFalse(), "one member needs no connection")
}

// With the gate a member calls others from the address that they know it by.
func TestCallsComeFromTheAdvertisedAddress(t *testing.T) {
	for _, tt := range []struct {
		gate      bool
		advertise string
		want      string
	}{
		{true, "http://127.0.0.1:1", "127.0.0.1"},
		{true, "http://localhost:1", ""},
		{true, "http://0.0.0.0:1", ""},
		{false, "http://127.0.0.1:1", ""},
	} {
		cfg := settings(t, "m", tt.advertise)
		cfg.Features = config.Features{config.FeatureSetMemberLocalAddr: tt.gate}
		m := &Member{cfg: cfg, logger: zap.NewNop()}
		d := m.newPeerDialer()
		if tt.want == "" {
			NewWithT(t).Expect(d.from).To(BeNil(), tt.advertise)
			continue
		}
		w := NewWithT(t)
		w.Expect(d.from.(*net.TCPAddr).IP.String()).To(Equal(tt.want))
		for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/s"} {
			l, err := net.Listen(network, address)
			w.Expect(err).NotTo(HaveOccurred())
			conn, err := d.DialContext(context.Background(), network, l.Addr().String())
			w.Expect(err).NotTo(HaveOccurred())
			if network == "tcp" {
				w.Expect(conn.LocalAddr().(*net.TCPAddr).IP.String()).To(Equal(tt.want))
			}
			w.Expect(conn.Close()).To(Succeed())
			w.Expect(l.Close()).To(Succeed())
		}
	}
}
