package main

// goal bounds the ratio quoin/etcd of one number.
type goal struct {
	row    string
	metric metric
	least  bool // the ratio must be at least bound; otherwise at most
	bound  float64
}

// goals is what quoin sets out to reach on one member.
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
	{row: "watch-own", metric: metricPeak, bound: 0.6},
	{row: "watch-all", metric: metricP99, bound: 0.5},
	{row: "restart-1m", metric: metricRestart, bound: 0.5},
}

type goalReport struct {
	Row    string  `json:"row"`
	Metric metric  `json:"metric"`
	Bound  string  `json:"bound"` // such as ">= 1.5"
	Ratio  float64 `json:"ratio"`
	Met    bool    `json:"met"`
}

// judge compares the goals of the rows that were run.
func judge(r *report) []goalReport {
	var out []goalReport
	for _, g := range goals {
		m, ok := r.find(g.row, g.metric)
		if !ok || m.Ratio == 0 {
			continue
		}
		met, sign := m.Ratio <= g.bound, "<= "
		if g.least {
			met, sign = m.Ratio >= g.bound, ">= "
		}
		out = append(out, goalReport{Row: g.row, Metric: g.metric, Bound: sign + number(g.bound), Ratio: m.Ratio, Met: met})
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
