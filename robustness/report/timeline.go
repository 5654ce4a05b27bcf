package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// Bounds of the time line.
const (
	// plotPixels is the least width of the time line on any screen. It says how much room a label needs.
	plotPixels = 900
	maxBars    = 200
	maxRows    = 8
	maxPins    = 100
)

// timeline is a run in pictures. Places are percents of the width; x in the drawings are milliseconds.
type timeline struct {
	Width   int64
	Ticks   []tick
	Gaps    []bar
	Loaded  string // where the load ends
	Members []lane
	Faults  []bar
	// FaultRows is how many rows the faults need, so that their labels do not lie on each other.
	FaultRows int
	Pins      []pin
	Rate      chart
	Latency   chart
	Data      plotted
}

// scale turns times into places.
type scale struct{ duration time.Duration }

func (s scale) percent(t time.Duration) string {
	return fmt.Sprintf("%.3f%%", 100*float64(min(max(t, 0), s.duration))/float64(s.duration))
}

func (s scale) x(t time.Duration) int64 { return min(max(t, 0), s.duration).Milliseconds() }

type tick struct{ Left, Text string }

// bar is something that lasts.
type bar struct {
	Left, Width, Text, Title string
	X, W                     int64
	Row, Number              int
	// Moment says that it is over at once, Open that it had no end.
	Moment, Open bool
}

// pin is where findings showed, at most one every few pixels.
type pin struct {
	Left   string
	Number int // of the first finding
	More   int
	Title  string
}

// lane is one member.
type lane struct {
	Name, Program, Description string
	Spans                      []laneSpan
	Faults                     []bar
	Terms                      []int64
}

type laneSpan struct {
	Left, Width, What, Mark, Text, Title string
	X, W                                 int64
}

func newTimeline(r *history.Record, s *Summary) *timeline {
	// A run without a length would have no places; one second does for it.
	duration := max(r.Duration, r.Loaded, time.Second).Truncate(time.Millisecond) + time.Millisecond
	at := scale{duration}
	t := &timeline{Width: duration.Milliseconds(), Ticks: ticks(at)}
	if r.Loaded > 0 {
		t.Loaded = at.percent(r.Loaded)
	}
	for _, g := range s.Unavailable.Gaps {
		from, to := span2(g.FromMS, g.ToMS)
		t.Gaps = append(t.Gaps, bar{
			Left: at.percent(from), Width: at.percent(to - from), X: at.x(from), W: at.x(to) - at.x(from), Text: short(to - from),
			Title: fmt.Sprintf("no write was acknowledged from %s to %s", clock(from), clock(to)),
		})
	}
	t.Faults, t.FaultRows = faultBars(at, r.Faults)
	t.Pins = pins(at, s.Findings)
	kept := map[string][]span{}
	for _, m := range r.Members {
		kept[m.Name] = spans(r.States, m.Name, duration)
		t.Members = append(t.Members, newLane(at, m, kept[m.Name], r.Faults))
	}
	cut := newSeries(r, duration)
	t.Rate, t.Latency = rateChart(cut), latencyChart(cut)
	t.Data = newPlotted(at, r, s, kept, cut)
	return t
}

// span2 takes times back out of a summary.
func span2(from, to float64) (time.Duration, time.Duration) {
	return time.Duration(from * float64(time.Millisecond)), time.Duration(to * float64(time.Millisecond))
}

// ticks are about ten, at round times.
func ticks(at scale) []tick {
	step := time.Second / 10
	for i := 0; at.duration/step > 10; i++ {
		step = step * []time.Duration{2, 5, 2}[i%3] / []time.Duration{1, 2, 1}[i%3]
	}
	var list []tick
	for t := time.Duration(0); t <= at.duration; t += step {
		text := axisTime(t)
		if t > at.duration*97/100 {
			text = "" // it would be cut
		}
		list = append(list, tick{at.percent(t), text})
	}
	return list
}

func axisTime(t time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", t.Seconds()), ".0") + " s"
}

// faultBars puts each fault into the first row in which its label has room.
func faultBars(at scale, faults []history.Fault) ([]bar, int) {
	perPixel := at.duration / plotPixels
	var free [maxRows]time.Duration
	var bars []bar
	rows := 1
	for i, f := range faults[:min(len(faults), maxBars)] {
		b := faultBar(at, i, f)
		end := max(f.Injected+perPixel*time.Duration(20+7*len([]rune(b.Text))), endOf(at, f)+4*perPixel)
		b.Row = max(0, slices.IndexFunc(free[:], func(t time.Duration) bool { return t <= f.Injected }))
		free[b.Row] = end
		rows = max(rows, b.Row+1)
		bars = append(bars, b)
	}
	return bars, rows
}

func faultBar(at scale, i int, f history.Fault) bar {
	end := endOf(at, f)
	text := words.Text(oneLine(f.Kind+" "+strings.Join(f.Members, " ")), 40)
	lasted := "from " + clock(f.Injected) + " to " + clock(end)
	if f.Healed == 0 {
		lasted = "from " + clock(f.Injected) + " on"
	}
	return bar{
		Left: at.percent(f.Injected), Width: at.percent(end - f.Injected), X: at.x(f.Injected), W: at.x(end) - at.x(f.Injected),
		Text: text, Title: words.Text(fmt.Sprintf("fault %d: %s %s %s", i+1, text, f.Detail, lasted), 200), Number: i + 1,
		Moment: end-f.Injected < at.duration/plotPixels*2, Open: f.Healed == 0,
	}
}

func endOf(at scale, f history.Fault) time.Duration {
	if f.Healed == 0 {
		return at.duration
	}
	return max(f.Healed, f.Injected)
}

// pins puts findings that are close to each other on one pin.
func pins(at scale, findings []Finding) []pin {
	type place struct {
		t time.Duration
		i int
	}
	var places []place
	for i, f := range findings {
		t, _ := span2(f.AtMS, 0)
		places = append(places, place{t, i})
	}
	slices.SortStableFunc(places, func(a, b place) int { return int(a.t - b.t) })
	var list []pin
	var last time.Duration
	for _, p := range places {
		n := len(list)
		if n > 0 && (p.t-last < at.duration/plotPixels*30 || n == maxPins) {
			list[n-1].More++
			continue
		}
		last = p.t
		list = append(list, pin{Left: at.percent(p.t), Number: p.i + 1, Title: words.Text(oneLine(findings[p.i].Check+": "+findings[p.i].Text), 200)})
	}
	return list
}

func newLane(at scale, m history.Member, list []span, faults []history.Fault) lane {
	l := lane{Name: clean(m.Name), Program: clean(m.Program)}
	var told []string
	for _, s := range list {
		text := s.what
		if s.term != 0 {
			text += fmt.Sprintf(" · term %d", s.term)
		}
		l.Spans = append(l.Spans, laneSpan{
			Left: at.percent(s.from), Width: at.percent(s.to - s.from), What: s.what, Mark: marks[s.what], Text: text,
			Title: fmt.Sprintf("%s: %s from %s to %s", l.Name, text, clock(s.from), clock(s.to)), X: at.x(s.from), W: at.x(s.to) - at.x(s.from),
		})
		if s.raised {
			l.Terms = append(l.Terms, at.x(s.from))
		}
		told = append(told, fmt.Sprintf("%s from %s", text, clock(s.from)))
	}
	l.Description = "No state of this member was recorded."
	if len(told) > 0 {
		l.Description = strings.Join(told[:min(len(told), 30)], ", ") + "."
	}
	for i, f := range faults[:min(len(faults), maxBars)] {
		if slices.Contains(f.Members, m.Name) {
			l.Faults = append(l.Faults, faultBar(at, i, f))
		}
	}
	return l
}

// clock is a time of the run.
func clock(t time.Duration) string { return fmt.Sprintf("%.3f s", t.Seconds()) }

// short is a length for labels.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
