package main

import (
	"slices"
	"time"

	"quoin.dev/quoin/tools/bench/load"
	"quoin.dev/quoin/tools/bench/proc"
)

// metric names a number of the report, with its unit.
type metric string

const (
	metricOps       metric = "ops_per_s"
	metricMean      metric = "mean_ms"
	metricP50       metric = "p50_ms"
	metricP99       metric = "p99_ms"
	metricP999      metric = "p99.9_ms"
	metricMax       metric = "max_ms"
	metricCPU       metric = "server_cpu_s_per_100k"
	metricClientCPU metric = "generator_cpu_s_per_100k"
	metricPeak      metric = "peak_rss_mib"
	metricRSS       metric = "rss_mib"
	metricAnon      metric = "rss_anon_mib"
	metricDatabase  metric = "database_mib"
	metricGrown     metric = "grown_rss_mib"  // since the start of the server
	metricEach      metric = "rss_bytes_each" // the same for each of the things that came
	metricGone      metric = "gone_s"         // from the end of the first lease until the key of the last one was deleted
	metricP99Before metric = "p99_before_ms"
	metricP99Growth metric = "p99_growth" // p99 to p99 before
	metricMaxBefore metric = "max_before_ms"
	metricJob       metric = "job_s" // what the member did beside the puts
	metricRate      metric = "mib_per_s"
	metricGap       metric = "gap_ms"            // longest time without a put that was answered well; of several outages the median
	metricGapWorst  metric = "worst_gap_ms"      // and the worst
	metricCaughtUp  metric = "caught_up_s"       // from the start of a member until it has applied what the leader has
	metricVoter     metric = "voter_s"           // from the addition of a member until it has a vote
	metricIdle      metric = "idle_cpu_ms_per_s" // CPU time in a second in which nothing happens
	metricScrape    metric = "scrape_ms"
	metricScraped   metric = "scrape_kib"
	metricStop      metric = "stop_s"
	metricStart     metric = "start_s"
	metricRestart   metric = "restart_s" // both together
)

// values is what one row measured of one server in one round.
type values map[metric]float64

func mebi(n int64) float64 { return float64(n) / (1 << 20) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func loadValues(r *load.Result, m proc.Memory) values {
	per100k := func(d time.Duration) float64 { return d.Seconds() * 100_000 / float64(r.Ops) }
	return values{
		metricOps:  r.OpsPerSecond(),
		metricMean: milliseconds(r.Mean), metricP50: milliseconds(r.P50), metricP99: milliseconds(r.P99),
		metricP999: milliseconds(r.P999), metricMax: milliseconds(r.Max),
		metricCPU: per100k(r.ServerCPU), metricClientCPU: per100k(r.ClientCPU), metricPeak: mebi(m.Peak),
	}
}

// median of an odd number is the middle one, of an even number the mean of the middle two; 0 without any.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
