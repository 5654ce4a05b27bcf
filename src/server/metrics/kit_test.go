package metrics_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/zap"

	"quoin.dev/client"

	"quoin.dev/server/config"
	"quoin.dev/server/embed"
)

// firstPort and lastPort bound the peer ports: below those that systems give to outgoing connections.
const firstPort, lastPort = 20_000, 32_000

// freeURL names a port on which nobody listens.
func freeURL(t *testing.T) url.URL {
	t.Helper()
	for tries := 0; ; tries++ {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		l, err := net.Listen("tcp", address)
		if err == nil {
			_ = l.Close()
			return url.URL{Scheme: "http", Host: address}
		}
		if tries > 100 {
			t.Fatal(err)
		}
	}
}

// settings are those of the members of a new cluster, whose leader stays on a busy machine as well.
func settings(t *testing.T, members int) (all []*config.Config) {
	t.Helper()
	var initial []string
	for i := range members {
		cfg := config.Default()
		cfg.Name, cfg.DataDir, cfg.Metrics = fmt.Sprint("m", i), t.TempDir(), "extensive"
		cfg.ListenClientURLs = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
		cfg.ListenPeerURLs = []url.URL{freeURL(t)}
		cfg.Cluster.InitialAdvertisePeerURLs = cfg.ListenPeerURLs
		cfg.Raft.HeartbeatInterval, cfg.Raft.ElectionTimeout = 50*time.Millisecond, 5*time.Second
		initial = append(initial, cfg.Name+"="+cfg.ListenPeerURLs[0].String())
		all = append(all, cfg)
	}
	for _, cfg := range all {
		cfg.Cluster.InitialCluster = strings.Join(initial, ",")
	}
	return all
}

// start runs members together, and waits until they serve.
func start(t *testing.T, cfgs ...*config.Config) (servers []*embed.Server) {
	t.Helper()
	w := NewWithT(t)
	for _, cfg := range cfgs {
		s, err := embed.Start(cfg, zap.NewNop())
		w.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(s.Stop)
		servers = append(servers, s)
	}
	for _, s := range servers {
		w.Eventually(s.Serving(), "30s").Should(BeClosed())
		w.Eventually(s.Member.Ready(), "30s").Should(BeClosed())
	}
	return servers
}

func connect(t *testing.T, s *embed.Server) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Endpoints: []string{s.ClientAddrs()[0].String()}, Logger: zap.NewNop()})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// shown is what a member shows.
type shown map[string]*dto.MetricFamily

// scrape reads the metrics of a member the way Prometheus does.
func scrape(t *testing.T, s *embed.Server) shown {
	t.Helper()
	w := NewWithT(t)
	r, err := http.Get("http://" + s.ClientAddrs()[0].String() + "/metrics")
	w.Expect(err).NotTo(HaveOccurred())
	defer r.Body.Close()
	w.Expect(r.StatusCode).To(Equal(http.StatusOK))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(r.Body)
	w.Expect(err).NotTo(HaveOccurred())
	return families
}

// of is the value of a metric, or the count of a histogram; all whose labels contain the given names and values are added up.
// It is -1 if there is none.
func (s shown) of(name string, labels ...string) (sum float64) {
	found := false
	for _, m := range s[name].GetMetric() {
		if !has(m, labels) {
			continue
		}
		found = true
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	if !found {
		return -1
	}
	return sum
}

func has(m *dto.Metric, labels []string) bool {
	of := map[string]string{}
	for _, l := range m.GetLabel() {
		of[l.GetName()] = l.GetValue()
	}
	for i := 0; i < len(labels); i += 2 {
		if of[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

// eventually waits until a metric of a member is as wanted.
func eventually(t *testing.T, s *embed.Server, want any, name string, labels ...string) {
	t.Helper()
	match, ok := want.(OmegaMatcher)
	if !ok {
		match = BeNumerically("==", want)
	}
	NewWithT(t).Eventually(func() float64 { return scrape(t, s).of(name, labels...) }, "30s", "20ms").Should(match, name+fmt.Sprint(labels))
}
