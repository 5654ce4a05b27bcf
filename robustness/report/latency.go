package report

import (
	"cmp"
	"slices"
	"time"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// requests counts operations by their outcome.
func requests(kind string, operations []history.Operation) Requests {
	r := Requests{Kind: kind, Total: len(operations)}
	var took []time.Duration
	for _, o := range operations {
		switch o.Outcome {
		case history.OK:
			r.OK++
			took = append(took, o.Return-o.Call)
		case history.Refused:
			r.Refused++
		default:
			r.Unknown++
		}
	}
	r.Latency = latency(took)
	return r
}

func requestsByKind(operations []history.Operation) []Requests {
	byKind := map[string][]history.Operation{}
	for _, o := range operations {
		kind := words.Kind(o.Request)
		byKind[kind] = append(byKind[kind], o)
	}
	list := []Requests{}
	for kind, some := range byKind {
		list = append(list, requests(kind, some))
	}
	slices.SortFunc(list, func(a, b Requests) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// latency sorts what it is given.
func latency(took []time.Duration) Latency {
	slices.Sort(took)
	return Latency{
		P50MS: ms(percentile(took, 500)), P90MS: ms(percentile(took, 900)), P99MS: ms(percentile(took, 990)),
		P999MS: ms(percentile(took, 999)), MaxMS: ms(percentile(took, 1000)),
	}
}

// percentile is that of sorted times by nearest rank: the smallest of which so many thousandths are not greater.
func percentile(sorted []time.Duration, thousandths int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*thousandths + 999) / 1000
	return sorted[max(rank, 1)-1]
}
