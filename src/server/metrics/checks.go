package metrics

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"quoin.dev/pkg/meter"
)

var (
	checkFamilies catalog

	healthGood  = checkFamilies.counter("etcd_server_health_success", "Answers of /health that said yes.")
	healthBad   = checkFamilies.counter("etcd_server_health_failures", "Answers of /health that said no.")
	checkResult = checkFamilies.gauge("etcd_server_healthcheck",
		"Whether a check of /livez or /readyz succeeded the last time that somebody asked.", "type", "name")
	checksDone = checkFamilies.counter("etcd_server_healthchecks_total", "Checks of /livez and /readyz by their outcome.", "type", "name", "status")
)

// Checks counts what those who ask for the health of a member are told. The zero value works.
type Checks struct {
	good, bad meter.Counter
	checks    sync.Map // *check by checkKey
}

type checkKey struct{ of, name string }

type check struct {
	last      atomic.Bool
	good, bad meter.Counter
}

// Health counts an answer of /health.
func (c *Checks) Health(good bool) {
	if good {
		c.good.Inc()
	} else {
		c.bad.Inc()
	}
}

// Check counts one check of "livez" or "readyz".
func (c *Checks) Check(of, name string, good bool) {
	known, _ := c.checks.LoadOrStore(checkKey{of, name}, new(check))
	one := known.(*check)
	one.last.Store(good)
	if good {
		one.good.Inc()
	} else {
		one.bad.Inc()
	}
}

// Describe implements prometheus.Collector.
func (c *Checks) Describe(ch chan<- *prometheus.Desc) { checkFamilies.describe(ch) }

// Collect implements prometheus.Collector.
func (c *Checks) Collect(ch chan<- prometheus.Metric) {
	o := out(ch)
	o.count(healthGood, c.good.Load())
	o.count(healthBad, c.bad.Load())
	c.checks.Range(func(k, v any) bool {
		key, one := k.(checkKey), v.(*check)
		o.truth(checkResult, one.last.Load(), key.of, key.name)
		for status, n := range map[string]uint64{"success": one.good.Load(), "error": one.bad.Load()} {
			if n > 0 {
				o.count(checksDone, n, key.of, key.name, status)
			}
		}
		return true
	})
}
