package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"

	"quoin.dev/api/version"

	"quoin.dev/server/config"
	"quoin.dev/server/membership"
)

// What never changes while a member runs, or does not exist in it.
var (
	constantFamilies catalog

	serverID      = constantFamilies.gauge("etcd_server_id", "1, with the id of this member.", "server_id")
	serverVersion = constantFamilies.gauge("etcd_server_version", "1, with the version of the contract that this member keeps.", "server_version")
	goVersion     = constantFamilies.gauge("etcd_server_go_version", "1, with the version of Go that the program was built with.", "server_go_version")
	buildInfo     = constantFamilies.gauge("quoin_build_info", "1, with the version of the program, and the commit it was built from.", "version", "revision")
	featureOn     = constantFamilies.gauge("etcd_server_feature_enabled", "Whether a feature gate is on.", "name", "stage")

	// No other process shares this one, and what the first store of etcd did is done by the list of members.
	storeExpires  = constantFamilies.counter("etcd_debugging_store_expires_total", "0: there is no store of version 2, whose keys could expire.")
	storeRequests = constantFamilies.counter("etcd_debugging_store_watch_requests_total", "0: there is no store of version 2 to watch.")
	storeWatchers = constantFamilies.gauge("etcd_debugging_store_watchers", "0: there is no store of version 2 to watch.")
	noProxy       = []*family{
		constantFamilies.gauge("etcd_grpc_proxy_cache_hits_total", "0: a proxy is another program."),
		constantFamilies.gauge("etcd_grpc_proxy_cache_keys_total", "0: a proxy is another program."),
		constantFamilies.gauge("etcd_grpc_proxy_cache_misses_total", "0: a proxy is another program."),
		constantFamilies.counter("etcd_grpc_proxy_events_coalescing_total", "0: a proxy is another program."),
		constantFamilies.gauge("etcd_grpc_proxy_watchers_coalescing_total", "0: a proxy is another program."),
	}
)

// constants are metrics that are made once.
type constants []prometheus.Metric

func newConstants(c *config.Config, id uint64) constants {
	ch := make(chan prometheus.Metric)
	go func() {
		defer close(ch)
		o := out(ch)
		o.put(serverID, 1, membership.FormatID(id))
		o.put(serverVersion, 1, version.API)
		o.put(goVersion, 1, runtime.Version())
		o.put(buildInfo, 1, version.Product, version.GitSHA)
		for _, gate := range c.Features.Gates() {
			o.truth(featureOn, gate.On, gate.Name, gate.Stage)
		}
		for _, f := range append([]*family{storeExpires, storeRequests, storeWatchers}, noProxy...) {
			o.put(f, 0)
		}
	}()
	var all constants
	for m := range ch {
		all = append(all, m)
	}
	return all
}

// Describe implements prometheus.Collector.
func (constants) Describe(ch chan<- *prometheus.Desc) { constantFamilies.describe(ch) }

// Collect implements prometheus.Collector.
func (c constants) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c {
		ch <- m
	}
}

var (
	fileFamilies catalog

	filesUsed  = fileFamilies.gauge("os_fd_used", "Files and connections that the process has open.")
	filesLimit = fileFamilies.gauge("os_fd_limit", "How many it may have open.")
)

// files collects how many files are open, where the system tells.
type files struct{}

// Describe implements prometheus.Collector.
func (files) Describe(ch chan<- *prometheus.Desc) { fileFamilies.describe(ch) }

// Collect implements prometheus.Collector.
func (files) Collect(ch chan<- prometheus.Metric) {
	self, err := procfs.Self()
	if err != nil {
		return // it is Linux that has /proc
	}
	if used, err := self.FileDescriptorsLen(); err == nil {
		out(ch).put(filesUsed, float64(used))
	}
	if limits, err := self.Limits(); err == nil {
		out(ch).put(filesLimit, float64(limits.OpenFiles))
	}
}
