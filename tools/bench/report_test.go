package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quoin.dev/quoin/tools/bench/load"
	"quoin.dev/quoin/tools/bench/proc"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.1234: "0.123", 1.5: "1.50", 12.34: "12.3", 123.4: "123", 41234.5: "41234", 3: "3", -2.5: "-2.50",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
}

// filled is a report of two servers over three rounds in which the machine was three times slower in the second, and B
// failed in the third.
func filled(t *testing.T) *report {
	t.Helper()
	o, err := parseOptions([]string{"-rounds", "3"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	r := newReport(o, []contender{{Name: "quoin", Version: "1"}, {Name: "etcd", Version: "2"}})
	put := row{name: "put-1000", help: "puts"}
	for round, ops := range []float64{3000, 1000, 3300} {
		r.add(put, "quoin", round, values{metricOps: ops * 2, metricCPU: 1, metricP99: 3})
		if round < 2 {
			r.add(put, "etcd", round, values{metricOps: ops, metricCPU: 2, metricP99: 4})
		}
	}
	r.add(row{name: "rss-1m", kind: kindMemory}, "quoin", 0, values{metricRSS: 50})
	r.add(row{name: "rss-1m", kind: kindMemory}, "etcd", 0, values{metricRSS: 100})
	r.add(row{name: "echo-1"}, echoContender, 0, values{metricOps: 9})
	r.finish()
	return r
}

func TestRatioIsTakenWithinARound(t *testing.T) {
	r := filled(t)
	ops, ok := r.find("put-1000", metricOps)
	if !ok || ops.Ratio != 2 || ops.Median["quoin"] != 6000 || ops.Median["etcd"] != 2000 || len(ops.Rounds["etcd"]) != 2 {
		t.Errorf("ops = %+v", ops)
	}
	if echo, _ := r.find("echo-1", metricOps); echo.Ratio != 0 || echo.Median[echoContender] != 9 {
		t.Errorf("echo = %+v", echo)
	}
}

func TestGoals(t *testing.T) {
	r := filled(t)
	met := map[metric]bool{}
	for _, g := range r.Goals {
		met[g.Metric] = g.Met
	}
	want := map[metric]bool{metricOps: true, metricCPU: true, metricP99: false, metricRSS: true}
	for m, ok := range want {
		if got, found := met[m]; got != ok || !found {
			t.Errorf("goal %s: met %v, found %v, want %v", m, got, found, ok)
		}
	}
	if len(r.Goals) != len(want) || r.missedGoals() != 1 {
		t.Errorf("goals = %+v", r.Goals)
	}
}

func TestGoalsNameRowsOfThePlan(t *testing.T) {
	names := map[string]bool{}
	for _, s := range allScenes(1000) {
		for _, r := range s.named() {
			if names[r.name] || r.name == "" || r.help == "" {
				t.Errorf("row %q is there twice or has no name or help", r.name)
			}
			names[r.name] = true
		}
	}
	for _, g := range goals {
		if !names[g.row] {
			t.Errorf("a goal is about the row %q, which is not in the plan", g.row)
		}
	}
}

func TestTableAndJSON(t *testing.T) {
	r := filled(t)
	var out strings.Builder
	r.writeTable(&out)
	for _, want := range []string{"put-1000", "quoin", "6000", "etcd", "ratio", "2x", "0.750x", "rss-1m", "0.500x", "missed", "echo-1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	path := filepath.Join(t.TempDir(), "out.json")
	if err := r.writeJSON(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) != 3 || len(back.Goals) != len(r.Goals) || back.Settings.Rounds != 3 {
		t.Errorf("JSON = %s", data)
	}
}

func TestLoadValues(t *testing.T) {
	v := loadValues(&load.Result{
		Ops: 50_000, Elapsed: 2 * time.Second, ServerCPU: 3 * time.Second, ClientCPU: time.Second, P99: 7 * time.Millisecond,
	}, proc.Memory{Peak: 64 << 20})
	for m, want := range map[metric]float64{metricOps: 25_000, metricCPU: 6, metricClientCPU: 2, metricP99: 7, metricPeak: 64} {
		if math.Abs(v[m]-want) > 1e-9 {
			t.Errorf("%s = %v, want %v", m, v[m], want)
		}
	}
}
