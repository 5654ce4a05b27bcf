package report

import (
	"fmt"
	"time"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// findingView is a finding with what the record says about it.
type findingView struct {
	Finding
	Number     int
	At         string
	Operations []operationRow
	Watches    []watchRow
	// MoreOperations and MoreWatches are not shown.
	MoreOperations, MoreWatches int
}

// operationRow is one call in words.
type operationRow struct {
	Index, Client                    int
	Member, User, Call, Return, Took string
	Outcome, Request, Response       string
	AtMS                             float64
	// Left and Width are where its time lies among those of the rows.
	Left, Width string
}

// watchRow is one watch in words.
type watchRow struct {
	Index, Client                    int
	Member, User, Opened, Closed     string
	Request, Heard, First, Last, End string
	AtMS                             float64
}

// findingViews are the first findings, with so many rows in all.
func findingViews(r *history.Record, s *Summary, l limits) []findingView {
	var views []findingView
	for i, f := range s.Findings[:min(len(s.Findings), l.findings)] {
		at, _ := span2(f.AtMS, 0)
		v := findingView{Finding: f, Number: i + 1, At: clock(at)}
		v.Operations = operationRows(r, f.Operations, min(l.rowsOfOne, l.rows))
		l.rows -= len(v.Operations)
		v.MoreOperations = len(f.Operations) - len(v.Operations)
		v.Watches = watchRows(r, f.Watches, min(l.rowsOfOne, l.rows))
		l.rows -= len(v.Watches)
		v.MoreWatches = len(f.Watches) - len(v.Watches)
		views = append(views, v)
	}
	return views
}

func operationRows(r *history.Record, indexes []int, most int) []operationRow {
	var rows []operationRow
	var first, last time.Duration
	for _, i := range indexes {
		if i < 0 || i >= len(r.Operations) || len(rows) == most {
			continue
		}
		o := r.Operations[i]
		if len(rows) == 0 {
			first = o.Call
		}
		first, last = min(first, o.Call), max(last, o.Return)
		rows = append(rows, operationRow{
			Index: i, Client: o.Client, Member: clean(o.Member), User: clean(o.User), Call: clock(o.Call), Return: clock(o.Return), Took: short(o.Return - o.Call),
			Outcome: clean(string(o.Outcome)), Request: words.Request(o.Request), Response: answer(o), AtMS: ms(o.Call),
		})
	}
	at := scale{max(last-first, time.Microsecond)}
	for i := range rows {
		o := r.Operations[rows[i].Index]
		end := o.Return
		if o.Outcome != history.OK && o.Outcome != history.Refused {
			end = last // it may be done later
		}
		rows[i].Left, rows[i].Width = at.percent(o.Call-first), at.percent(end-o.Call)
	}
	return rows
}

// answer says what came back, be it an error.
func answer(o history.Operation) string {
	if o.Outcome == history.OK {
		return words.Response(o.Response)
	}
	if o.Code == "" {
		return clean(o.Error)
	}
	return clean(o.Code + ": " + o.Error)
}

func watchRows(r *history.Record, indexes []int, most int) []watchRow {
	var rows []watchRow
	for _, i := range indexes {
		if i < 0 || i >= len(r.Watches) || len(rows) == most {
			continue
		}
		w := r.Watches[i]
		row := watchRow{
			Index: i, Client: w.Client, Member: clean(w.Member), User: clean(w.User), Opened: clock(w.Opened), Closed: clock(w.Closed), AtMS: ms(w.Opened),
			Request: "nothing", End: clean(w.Error),
		}
		if w.Request != nil {
			row.Request = words.Request(w.Request)
		}
		if row.End == "" {
			row.End = "ended by the client"
		}
		events := 0
		for _, h := range w.Heard {
			if n := len(h.Response.GetEvents()); n > 0 {
				if events == 0 {
					row.First = words.Response(h.Response)
				}
				events += n
				row.Last = words.Response(h.Response)
			}
		}
		row.Heard = fmt.Sprintf("%s with %s", counted(len(w.Heard), "response", "responses"), counted(events, "event", "events"))
		rows = append(rows, row)
	}
	return rows
}
