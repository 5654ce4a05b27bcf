package main

// goal bounds one number: its ratio quoin/etcd, or what quoin has alone.
type goal struct {
	row    string
	metric metric
	of     of
	least  bool // the number must be at least bound; otherwise at most
	bound  float64
}

// of says what is bounded.
type of int

const (
	ofRatio of = iota
	ofValue    // quoin's value
)

// goals is what quoin sets out to reach.
var goals = []goal{
	{row: "put-1000", metric: metricOps, least: true, bound: 1.5},
	{row: "put-1000", metric: metricCPU, bound: 0.7},
	{row: "put-1000", metric: metricP99, bound: 0.6},
	{row: "put-1", metric: metricP50, bound: 1.0},
	{row: "range-10k", metric: metricOps, least: true, bound: 3},
	{row: "count-1m", metric: metricOps, least: true, bound: 50},
	{row: "limit-1m", metric: metricOps, least: true, bound: 50},
	{row: "rss-1m", metric: metricRSS, bound: 0.6},
	{row: "watch-fan", metric: metricOps, least: true, bound: 2},
	{row: "watch-fan", metric: metricCPU, bound: 1},
	{row: "watch-rss", metric: metricEach, bound: 0.6},
	{row: "stream-rss", metric: metricEach, bound: 0.6},
	{row: "watch-all", metric: metricP99, bound: 0.5},
	{row: "watch-behind", metric: metricP99Growth, of: ofValue, bound: 1.5},
	{row: "auth-put", metric: metricOps, least: true, bound: 1.5},
	{row: "auth-get", metric: metricOps, least: true, bound: 1.5},
	{row: "mtls-put", metric: metricOps, least: true, bound: 1.3},
	{row: "scrape", metric: metricScrape, bound: 1},
	{row: "idle", metric: metricIdle, bound: 1},
	{row: "idle", metric: metricRSS, bound: 1},
	{row: "lease-renew", metric: metricOps, least: true, bound: 1.5},
	{row: "lease-expire", metric: metricGone, of: ofValue, bound: 3}, // they end within the first second of it
	{row: "lease-expire", metric: metricP99Growth, of: ofValue, bound: 2},
	{row: "defrag-1g", metric: metricMax, of: ofValue, bound: 50},
	{row: "compact-1m", metric: metricP99Growth, of: ofValue, bound: 1.2},
	{row: "snapshot-1g", metric: metricRate, least: true, bound: 1},
	{row: "restart-1m", metric: metricRestart, bound: 0.5},
	{row: "leader-kill", metric: metricGap, bound: 1},
	{row: "rolling-restart", metric: metricGap, bound: 1},
	{row: "join", metric: metricVoter, bound: 1},
}

type goalReport struct {
	Row    string  `json:"row"`
	Metric metric  `json:"metric"`
	Bound  string  `json:"bound"` // such as ">= 1.5"
	Value  float64 `json:"value"`
	Ratio  bool    `json:"ratio"` // the value is the ratio, not what A has
	Met    bool    `json:"met"`
}

// judge compares the goals of the rows that were run.
func judge(r *report) []goalReport {
	var out []goalReport
	for _, g := range goals {
		m, ok := r.find(g.row, g.metric)
		value := m.Ratio
		if g.of == ofValue {
			value = m.Median[r.Contenders[0].Name]
		}
		if !ok || value == 0 {
			continue
		}
		met, sign := value <= g.bound, "<= "
		if g.least {
			met, sign = value >= g.bound, ">= "
		}
		out = append(out, goalReport{
			Row: g.row, Metric: g.metric, Bound: sign + number(g.bound), Value: value, Ratio: g.of == ofRatio, Met: met,
		})
	}
	return out
}

func (r *report) missedGoals() int {
	n := 0
	for _, g := range r.Goals {
		if !g.Met {
			n++
		}
	}
	return n
}
