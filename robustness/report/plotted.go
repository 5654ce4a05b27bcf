package report

import (
	"time"

	"quoin.dev/quoin/robustness/history"
)

// plotted is what the script of the page reads values from. Times are milliseconds.
type plotted struct {
	Duration float64         `json:"duration"`
	Bucket   float64         `json:"bucket"`
	OK       []int           `json:"ok"`
	Refused  []int           `json:"refused"`
	Unknown  []int           `json:"unknown"`
	P50      []float64       `json:"p50"`
	P99      []float64       `json:"p99"`
	Members  []plottedMember `json:"members"`
	Faults   []plottedFault  `json:"faults"`
	Gaps     []Gap           `json:"gaps"`
	// Stops are times that are worth a look.
	Stops []float64 `json:"stops"`
}

type plottedMember struct {
	Name  string        `json:"name"`
	Spans []plottedSpan `json:"spans"`
}

type plottedSpan struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	What string  `json:"what"`
	Term uint64  `json:"term"`
}

type plottedFault struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Text string  `json:"text"`
}

func newPlotted(at scale, r *history.Record, s *Summary, kept map[string][]span, cut *series) plotted {
	p := plotted{Duration: ms(at.duration), Bucket: ms(cut.width), Gaps: s.Unavailable.Gaps, Members: []plottedMember{}, Faults: []plottedFault{}, Stops: []float64{}}
	for _, b := range cut.buckets {
		p.OK, p.Refused, p.Unknown = append(p.OK, b.ok), append(p.Refused, b.refused), append(p.Unknown, b.unknown)
		p.P50, p.P99 = append(p.P50, ms(b.p50.Round(10*time.Microsecond))), append(p.P99, ms(b.p99.Round(10*time.Microsecond)))
	}
	for _, m := range r.Members {
		member := plottedMember{Name: clean(m.Name), Spans: []plottedSpan{}}
		for _, one := range kept[m.Name] {
			member.Spans = append(member.Spans, plottedSpan{ms(one.from), ms(one.to), one.what, one.term})
		}
		p.Members = append(p.Members, member)
	}
	for i, f := range r.Faults[:min(len(r.Faults), maxBars)] {
		p.Faults = append(p.Faults, plottedFault{ms(f.Injected), ms(endOf(at, f)), faultBar(at, i, f).Text})
		p.Stops = append(p.Stops, ms(f.Injected))
		if f.Healed > 0 {
			p.Stops = append(p.Stops, ms(f.Healed))
		}
	}
	for _, f := range s.Findings[:min(len(s.Findings), maxBars)] {
		p.Stops = append(p.Stops, f.AtMS)
	}
	return p
}
