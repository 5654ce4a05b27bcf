// Package metrics shows what a member counts and measures to Prometheus, under etcd's names where etcd has one.
//
// A number is counted where it arises, by an atomic addition in the meter of that package. Here it gets its name, and is looked
// at when somebody asks for it. Each member has a registry of its own, so that many can share a process; what is of the process,
// such as its memory, all of them show.
//
// Names, types, labels and buckets are those of etcd 3.7, since dashboards and alerts go by them. Where quoin works otherwise
// than etcd, the help of a metric says what it means here.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"quoin.dev/server/audit"
	"quoin.dev/server/config"
	"quoin.dev/server/member"
	"quoin.dev/server/rpc"
)

// maxScrapes bounds the answers that are made at one time; more are refused with 503.
const maxScrapes = 8

// Options are where the numbers come from. All are required unless they say otherwise.
type Options struct {
	Config *config.Config
	Member *member.Member
	Calls  *rpc.Meter
	Checks *Checks
	// Certificates lists what ends of that which the ports use; nil if they use none.
	Certificates func() []Certificate
	Audit        *audit.Log // may be nil
}

// Handler returns what serves /metrics: as text, or in the binary form of Prometheus, compressed where the client wants it.
//
// It does not offer OpenMetrics, as etcd does not: there the name of every counter has to end in _total, which renames those
// that do not, and Prometheus takes that form when it is offered.
func Handler(o Options) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newConstants(o.Config, o.Member.ID()),
		files{},
		&memberCollector{m: o.Member, audits: o.Audit},
		newCalls(o.Calls),
		o.Checks,
	)
	if o.Certificates != nil {
		r.MustRegister(certificates(o.Certificates))
	}
	h := promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, DisableCompression: true})
	return promhttp.InstrumentMetricHandler(r, atOnce(h))
}
