package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	certificateFamilies catalog

	certificateEnds = certificateFamilies.gauge("quoin_tls_expiry_timestamp_seconds",
		"When a certificate, an authority or a revocation list ends, in seconds since 1970.", "use", "kind", "file", "subject")
)

// Certificate is something that ends.
type Certificate struct {
	Use     string // the port: client or peer
	Kind    string // certificate, authority or revocation-list
	File    string
	Subject string
	End     time.Time
}

// certificates collects when they end.
type certificates func() []Certificate

// Describe implements prometheus.Collector.
func (certificates) Describe(ch chan<- *prometheus.Desc) { certificateFamilies.describe(ch) }

// Collect implements prometheus.Collector.
func (c certificates) Collect(ch chan<- prometheus.Metric) {
	type labels struct{ use, kind, file, subject string }
	ends := map[labels]time.Time{} // the first one, since a file of authorities may have one twice
	for _, one := range c() {
		l := labels{one.Use, one.Kind, one.File, one.Subject}
		if known, ok := ends[l]; !ok || one.End.Before(known) {
			ends[l] = one.End
		}
	}
	for l, end := range ends {
		out(ch).put(certificateEnds, float64(end.Unix()), l.use, l.kind, l.file, l.subject)
	}
}
