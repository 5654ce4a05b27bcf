package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// columns of the table of load rows.
var columns = []struct {
	title  string
	metric metric
}{
	{"ops/s", metricOps},
	{"p50 ms", metricP50},
	{"p99 ms", metricP99},
	{"p99.9 ms", metricP999},
	{"CPU s/100k", metricCPU},
	{"peak MiB", metricPeak},
}

// number prints three or more significant digits, without an exponent.
func number(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) && a < 1e15 || a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

func ratio(v float64) string {
	if v == 0 {
		return "-"
	}
	return number(v) + "x"
}

// writeTable prints the report for people. Errors of the output show when the process ends; there is nobody to tell.
func (r *report) writeTable(out io.Writer) {
	fmt.Fprintf(out, "%s, %d cores, %s/%s, Linux %s, %s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.OS, r.Machine.Arch, r.Machine.Kernel, r.Machine.Go)
	for _, c := range r.Contenders {
		fmt.Fprintf(out, "%s: %s\n", c.Name, c.Version)
	}
	s := r.Settings
	fmt.Fprintf(out, "%d rounds, %s s measured after %s s, %d keys in the 1m rows", s.Rounds, number(s.DurationS), number(s.WarmupS), s.Keys)
	if s.Ops > 0 {
		fmt.Fprintf(out, ", %d requests a row", s.Ops)
	}
	fmt.Fprintln(out)
	for _, n := range r.Notes {
		fmt.Fprintln(out, "note:", n)
	}
	r.writeLoads(out)
	r.writeStates(out)
	r.writeGoals(out)
}

// servers of a row in the order of the contenders, then the echo server.
func (r *report) servers(row *rowReport) []string {
	var out []string
	for _, c := range r.Contenders {
		if _, ok := row.values[c.Name]; ok {
			out = append(out, c.Name)
		}
	}
	if _, ok := row.values[echoContender]; ok {
		out = append(out, echoContender)
	}
	return out
}

// left pads a cell of the leading columns, since a tabwriter aligns all columns the same way.
func left(cell string) string { return fmt.Sprintf("%-15s", cell) }

func newTable(out io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
}

func (r *report) writeLoads(out io.Writer) {
	w := newTable(out)
	title := []string{left("row"), left("server")}
	for _, c := range columns {
		title = append(title, c.title)
	}
	line := func(cells []string) { fmt.Fprintln(w, strings.Join(cells, "\t")+"\t") }
	any := false
	for _, row := range r.Rows {
		if row.kind != kindLoad && row.kind != kindFill {
			continue
		}
		if !any {
			fmt.Fprintln(out)
			line(title)
			any = true
		}
		name := row.Name
		for _, server := range r.servers(row) {
			cells := []string{left(name), left(server)}
			for _, c := range columns {
				m, _ := r.find(row.Name, c.metric)
				cells = append(cells, number(m.Median[server]))
			}
			line(cells)
			name = ""
		}
		if len(r.servers(row)) == 2 {
			cells := []string{left(""), left("ratio")}
			for _, c := range columns {
				m, _ := r.find(row.Name, c.metric)
				cells = append(cells, ratio(m.Ratio))
			}
			line(cells)
		}
	}
	w.Flush()
}

func (r *report) writeStates(out io.Writer) {
	w := newTable(out)
	any := false
	for _, row := range r.Rows {
		if row.kind == kindLoad || row.kind == kindFill {
			continue
		}
		servers := r.servers(row)
		if !any {
			fmt.Fprintln(out)
			fmt.Fprintln(w, left("row")+"\t"+left("number")+"\t"+strings.Join(servers, "\t")+"\tratio\t")
			any = true
		}
		for _, m := range row.Metrics {
			cells := []string{left(row.Name), left(string(m.Name))}
			for _, server := range servers {
				cells = append(cells, number(m.Median[server]))
			}
			fmt.Fprintln(w, strings.Join(append(cells, ratio(m.Ratio)), "\t")+"\t")
		}
	}
	w.Flush()
}

func (r *report) writeGoals(out io.Writer) {
	if len(r.Goals) == 0 {
		return
	}
	fmt.Fprintln(out)
	w := newTable(out)
	fmt.Fprintln(w, left("goal")+"\t"+left("number")+"\tvalue\tbound\t\t")
	for _, g := range r.Goals {
		verdict := "met"
		if !g.Met {
			verdict = "missed"
		}
		value := number(g.Value)
		if g.Ratio {
			value = ratio(g.Value)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", left(g.Row), left(string(g.Metric)), value, g.Bound, verdict)
	}
	w.Flush()
	if slices.ContainsFunc(goals, func(g goal) bool { _, ok := r.find(g.row, g.metric); return !ok }) {
		fmt.Fprintln(out, "Goals of rows that were not run are not shown.")
	}
}
