package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/report/words"
)

// picker chooses lines of a log while it goes by.
type picker struct {
	started time.Time
	whiles  []while
	quota   []int // lines left for each of them
	alarms  int   // lines left for what is bad at any time
	most    int   // lines in all, without the end
	kept    []logLine
	tail    []logLine
	seen    int
	at      time.Duration // of the last line that had a time
}

func newPicker(started time.Time, whiles []while, most int) *picker {
	most -= tailLines
	p := &picker{started: started, whiles: whiles, alarms: max(most/4, 10), most: most}
	for range whiles {
		p.quota = append(p.quota, max(most*3/4/len(whiles), 3))
	}
	return p
}

func (p *picker) see(line []byte) {
	p.seen++
	if t, ok := timeOf(line); ok {
		p.at = t.Sub(p.started)
	}
	if p.wanted(line) {
		p.kept = append(p.kept, p.parsed(line))
		p.tail = p.tail[:0]
		return
	}
	if len(p.tail) == tailLines {
		p.tail = slices.Delete(p.tail, 0, 1)
	}
	p.tail = append(p.tail, logLine{number: p.seen, Text: string(line), AtMS: ms(p.at)})
}

// wanted takes the line out of a quota.
func (p *picker) wanted(line []byte) bool {
	if len(p.kept) >= p.most {
		return false
	}
	for i, w := range p.whiles {
		if p.quota[i] > 0 && p.at >= w.from && p.at <= w.to {
			p.quota[i]--
			return true
		}
	}
	if p.alarms > 0 && isAlarm(line) {
		p.alarms--
		return true
	}
	return false
}

func isAlarm(line []byte) bool {
	for _, sign := range []string{`"level":"error"`, `"level":"panic"`, `"level":"fatal"`, `"level":"dpanic"`, "panic:", "fatal error:", "DATA RACE"} {
		if bytes.Contains(line, []byte(sign)) {
			return true
		}
	}
	return false
}

// lines are what was kept, and the end.
func (p *picker) lines() []logLine {
	list := p.kept
	for _, l := range p.tail {
		at := l.AtMS
		number := l.number
		l = parse([]byte(l.Text))
		l.AtMS, l.number, l.At = at, number, offset(at)
		list = append(list, l)
	}
	last := 0
	for i := range list {
		list[i].Skipped = list[i].number - last - 1
		last = list[i].number
	}
	return list
}

func (p *picker) parsed(line []byte) logLine {
	l := parse(line)
	l.AtMS, l.number = ms(p.at), p.seen
	l.At = offset(l.AtMS)
	return l
}

func offset(atMS float64) string { return fmt.Sprintf("%+.3f", atMS/1000) }

// timeOf finds the time of a line without reading the rest of it.
func timeOf(line []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(line, []byte(`"ts":"`))
	if !ok {
		return time.Time{}, false
	}
	text, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse("2006-01-02T15:04:05.999999Z0700", string(text))
	return t, err == nil
}

// parse takes a line of zap apart; any other one is text.
func parse(line []byte) logLine {
	var all map[string]json.RawMessage
	if json.Unmarshal(line, &all) != nil {
		return logLine{Text: words.Text(string(line), lineRunes)}
	}
	l := logLine{Level: words.Text(text(all["level"]), 10), Text: words.Text(text(all["msg"]), lineRunes)}
	var rest []string
	for _, name := range []string{"ts", "level", "msg", "caller"} {
		delete(all, name)
	}
	for name, value := range all {
		rest = append(rest, name+"="+text(value))
	}
	slices.Sort(rest)
	l.Fields = words.Text(strings.Join(rest, " "), lineRunes)
	return l
}

// text is a JSON string as text, anything else as it is written.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
