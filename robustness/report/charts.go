package report

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// chartHeight is the height of the drawings of charts, in their own units.
const chartHeight = 100

// chart is a drawing of a series: paths in milliseconds by units of height, and lines to read them by.
type chart struct {
	Paths []path
	Lines []gridLine
	// Description says in a sentence what is to be seen.
	Description string
}

type path struct{ Class, D string }

// gridLine is one value of the axis.
type gridLine struct{ Y, Text string }

// rateChart stacks what was refused and what is unknown upon what was answered well. Each is painted over the next.
func rateChart(s *series) chart {
	limit := roundUp(s.perSecond(s.most()))
	height := func(n int) float64 { return chartHeight * s.perSecond(n) / limit }
	var ok, refused, all []float64
	for _, b := range s.buckets {
		// One call among hundreds must be seen: what is there has a height.
		a := height(b.ok)
		r := a + visible(height(b.refused))
		u := r + visible(height(b.unknown))
		over := max(u-chartHeight, 0)
		ok, refused, all = append(ok, max(a-over, 0)), append(refused, max(r-over, 0)), append(all, u-over)
	}
	c := chart{Paths: []path{{"unknown", s.area(all)}, {"refused", s.area(refused)}, {"ok", s.area(ok)}}}
	for _, part := range []float64{0.5, 1} {
		c.Lines = append(c.Lines, lineAt(chartHeight*(1-part), fmt.Sprintf("%.4g/s", limit*part)))
	}
	c.Description = fmt.Sprintf("Operations ended per second, in steps of %s; at most %.4g per second.", s.width, s.perSecond(s.most()))
	return c
}

// visible is a height that is seen unless it is 0.
func visible(height float64) float64 {
	if height > 0 {
		return max(height, 2.5)
	}
	return 0
}

// area is a path of steps down to the ground.
func (s *series) area(heights []float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M0 %d", chartHeight)
	for i := range heights {
		if i+1 < len(heights) && heights[i] == heights[i+1] {
			continue
		}
		fmt.Fprintf(&b, "V%sH%d", number(chartHeight-heights[i]), (time.Duration(i+1) * s.width).Milliseconds())
	}
	fmt.Fprintf(&b, "V%dZ", chartHeight)
	return b.String()
}

// latencyChart draws percentiles on a logarithmic scale, with holes where nothing was answered.
func latencyChart(s *series) chart {
	low, high := time.Duration(math.MaxInt64), time.Duration(0)
	for _, b := range s.buckets {
		if b.ok > 0 {
			low, high = min(low, b.p50), max(high, b.p99)
		}
	}
	if high == 0 {
		return chart{Description: "No operation was answered well."}
	}
	from, to := decade(low, math.Floor), decade(high, math.Ceil)
	to = max(to, from+1)
	y := func(d time.Duration) float64 {
		return chartHeight * (1 - (math.Log10(max(d.Seconds(), 1e-9))-from)/(to-from))
	}
	c := chart{Paths: []path{
		{"p99", s.steps(func(b bucket) float64 { return y(b.p99) })},
		{"p50", s.steps(func(b bucket) float64 { return y(b.p50) })},
	}}
	for e := from; e <= to; e++ {
		d := time.Duration(math.Pow(10, e) * float64(time.Second))
		c.Lines = append(c.Lines, lineAt(y(d), round(d)))
	}
	c.Description = fmt.Sprintf("Median and 99th percentile of what answered operations took, in steps of %s, on a logarithmic scale; at most %s.", s.width, short(high))
	return c
}

// steps is a line of one height for each bucket that has an answer.
func (s *series) steps(y func(bucket) float64) string {
	var b strings.Builder
	drawing := false
	for i, one := range s.buckets {
		if one.ok == 0 {
			drawing = false
			continue
		}
		if !drawing {
			fmt.Fprintf(&b, "M%d %s", (time.Duration(i) * s.width).Milliseconds(), number(y(one)))
		} else {
			fmt.Fprintf(&b, "V%s", number(y(one)))
		}
		fmt.Fprintf(&b, "H%d", (time.Duration(i+1) * s.width).Milliseconds())
		drawing = true
	}
	return b.String()
}

// round shows a power of ten.
func round(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}

func lineAt(y float64, text string) gridLine {
	return gridLine{Y: number(y), Text: text}
}

// decade is a power of ten seconds, between 10 µs and 1000 s.
func decade(d time.Duration, round func(float64) float64) float64 {
	return min(max(round(math.Log10(max(d.Seconds(), 1e-9))), -5), 3)
}

// roundUp is the next number that reads well, of which the half does, too.
func roundUp(v float64) float64 {
	for step := 1.0; ; step *= 10 {
		for _, m := range []float64{1, 2, 3, 4, 5, 6, 8} {
			if v <= m*step {
				return m * step
			}
		}
	}
}

func number(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }
