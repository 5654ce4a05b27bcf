package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"

	"quoin.dev/quoin/e2e/cluster"
)

// monitoring is where the dashboard and the alerts of a release are.
const monitoring = "../release/monitoring"

// metricName finds metrics in an expression; those of other programs, such as up, are not ours to show.
var metricName = regexp.MustCompile(`\b(?:etcd|quoin|grpc|process|go|os|promhttp)_[a-z_]+\b`)

// expressions are those of all alerts and panels.
func expressions() (all []string) {
	GinkgoHelper()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct{ Summary, Runbook string }
			}
		}
	}
	data, err := os.ReadFile(filepath.Join(monitoring, "alerts.yaml"))
	Expect(err).NotTo(HaveOccurred())
	Expect(yaml.Unmarshal(data, &rules)).To(Succeed())
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			Expect(r.Annotations.Summary).NotTo(BeEmpty(), r.Alert)
			Expect(r.Annotations.Runbook).To(MatchRegexp(`^[A-Za-z_].*[.]$`), "%s says in sentences what to do", r.Alert)
			all = append(all, r.Expr)
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	data, err = os.ReadFile(filepath.Join(monitoring, "dashboard.json"))
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(data, &dashboard)).To(Succeed())
	for _, p := range dashboard.Panels {
		for _, t := range p.Targets {
			all = append(all, t.Expr)
		}
	}
	return all
}

var _ = Describe("monitoring", func() {
	It("asks for nothing that members do not show", func() {
		c := start(cluster.Options{Members: 3, Flags: []string{"--metrics=extensive", "--quota-backend-bytes=200000"}})
		cl := connect(c)
		// A range, an alarm and a refusal are shown once there was one.
		_, err := cl.Get(within(time.Minute), "k")
		Expect(err).NotTo(HaveOccurred())
		_, err = cl.Put(within(time.Minute), "k", strings.Repeat("v", 300_000))
		Expect(err).To(MatchError(ContainSubstring("space exceeded")))
		Eventually(func() error {
			_, err := cl.Put(within(time.Minute), "k", strings.Repeat("v", 10_000))
			return err
		}, time.Minute, time.Millisecond).Should(MatchError(ContainSubstring("space exceeded")))

		wanted := map[string]bool{}
		for _, e := range expressions() {
			for _, name := range metricName.FindAllString(e, -1) {
				wanted[name] = true
			}
		}
		Expect(len(wanted)).To(BeNumerically(">", 50))
		delete(wanted, "quoin_tls_expiry_timestamp_seconds") // these ports are without TLS
		for name := range wanted {
			if i := slices.Index([]string{"grpc_service", "grpc_method", "grpc_code", "grpc_type"}, name); i >= 0 {
				delete(wanted, name) // is a label
			}
		}
		Eventually(func() (missing []string) {
			var shown strings.Builder
			for _, m := range c.Members {
				r, err := http.Get(m.ClientURL + "/metrics")
				if err != nil {
					return []string{err.Error()}
				}
				_, _ = io.Copy(&shown, r.Body)
				_ = r.Body.Close()
			}
			for name := range wanted {
				if !strings.Contains(shown.String(), "\n"+name+" ") && !strings.Contains(shown.String(), "\n"+name+"{") {
					missing = append(missing, name)
				}
			}
			return missing
		}, "30s", "100ms").Should(BeEmpty())
	})

	It("raises alarms when it should", func() {
		promtool, err := exec.LookPath("promtool")
		if err != nil {
			Skip("promtool of Prometheus is not in the PATH; on Debian it is in the package prometheus")
		}
		for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
			command := exec.Command(promtool, args...)
			command.Dir = monitoring
			output, err := command.CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(output))
		}
	})
})
