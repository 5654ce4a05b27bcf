package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what -json writes; the table shows a part of it.
type report struct {
	Started    time.Time    `json:"started"`
	Machine    machine      `json:"machine"`
	Settings   settings     `json:"settings"`
	Contenders []contender  `json:"contenders"`
	Notes      []string     `json:"notes,omitempty"`
	Rows       []*rowReport `json:"rows"`
	Goals      []goalReport `json:"goals,omitempty"`

	judged bool // goals apply: quoin against etcd
}

type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Go     string `json:"go"`
	Kernel string `json:"kernel"`
}

type settings struct {
	Rounds      int     `json:"rounds"`
	WarmupS     float64 `json:"warmup_s"`
	DurationS   float64 `json:"duration_s"`
	Ops         int64   `json:"ops,omitempty"`
	Keys        int64   `json:"keys_1m"`
	ServerFlags string  `json:"server_flags,omitempty"`
}

type rowReport struct {
	Name    string         `json:"name"`
	Help    string         `json:"help"`
	Metrics []metricReport `json:"metrics,omitempty"`

	kind   kind
	values map[string][]values // contender -> rounds; nil where a round failed
}

type metricReport struct {
	Name   metric               `json:"name"`
	Median map[string]float64   `json:"median"` // contender -> median over the rounds
	Rounds map[string][]float64 `json:"rounds"` // contender -> value of each round
	// Ratio is A/B: the median over the rounds of the ratio within one round; 0 when there is none.
	Ratio float64 `json:"ratio,omitempty"`
}

func newReport(o *options, contenders []contender) *report {
	return &report{
		Started: time.Now().Round(time.Second), Machine: thisMachine(), Contenders: contenders,
		Settings: settings{
			Rounds: o.rounds, WarmupS: o.warmup.Seconds(), DurationS: o.duration.Seconds(), Ops: o.ops, Keys: o.keys,
			ServerFlags: strings.Join(o.extra, " "),
		},
		judged: len(contenders) == 2 && contenders[1].Name == "etcd",
	}
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
	// Both are for the reader only; a machine without these files just does not tell.
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(data), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			m.CPU = strings.TrimLeft(line, "\t :")
		}
	}
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(data))
	}
	return m
}

// busyWarning tells when others use the machine, which makes ratios noisy. Building the servers counts a little too.
func busyWarning() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	var load float64
	if _, err := fmt.Sscan(string(data), &load); err != nil || load < float64(runtime.NumCPU())*0.75 {
		return ""
	}
	return fmt.Sprintf("the machine was busy before the run (load average %.1f on %d cores): ratios are noisy", load, runtime.NumCPU())
}

// add takes the values of one row, server and round.
func (r *report) add(row row, contender string, round int, v values) {
	i := slices.IndexFunc(r.Rows, func(x *rowReport) bool { return x.Name == row.name })
	if i < 0 {
		i = len(r.Rows)
		r.Rows = append(r.Rows, &rowReport{Name: row.name, Help: row.help, kind: row.kind, values: map[string][]values{}})
	}
	list := r.Rows[i].values[contender]
	for len(list) <= round {
		list = append(list, nil)
	}
	list[round] = v
	r.Rows[i].values[contender] = list
}

// finish computes medians, ratios and goals.
func (r *report) finish() {
	for _, row := range r.Rows {
		row.Metrics = nil
		for _, m := range row.metricNames() {
			row.Metrics = append(row.Metrics, r.metric(row, m))
		}
	}
	if r.judged {
		r.Goals = judge(r)
	}
}

func (row *rowReport) metricNames() []metric {
	names := map[metric]bool{}
	for _, rounds := range row.values {
		for _, v := range rounds {
			for m := range v {
				names[m] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (r *report) metric(row *rowReport, m metric) metricReport {
	out := metricReport{Name: m, Median: map[string]float64{}, Rounds: map[string][]float64{}}
	for name, rounds := range row.values {
		for _, v := range rounds {
			if v != nil {
				out.Rounds[name] = append(out.Rounds[name], v[m])
			}
		}
		out.Median[name] = median(out.Rounds[name])
	}
	if len(r.Contenders) == 2 {
		out.Ratio = medianRatio(row.values[r.Contenders[0].Name], row.values[r.Contenders[1].Name], m)
	}
	return out
}

// medianRatio compares only rounds that both finished, so that a slow minute of the machine weighs on both sides.
func medianRatio(a, b []values, m metric) float64 {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		if a[i] != nil && b[i] != nil && b[i][m] != 0 {
			ratios = append(ratios, a[i][m]/b[i][m])
		}
	}
	return median(ratios)
}

func (r *report) find(name string, m metric) (metricReport, bool) {
	for _, row := range r.Rows {
		for _, x := range row.Metrics {
			if row.Name == name && x.Name == m {
				return x, true
			}
		}
	}
	return metricReport{}, false
}

func (r *report) writeJSON(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
