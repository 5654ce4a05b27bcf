package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"strings"

	"quoin.dev/quoin/robustness/history"
)

// MaxPageBytes bounds report.html.
const MaxPageBytes = 3 << 20

//go:embed page/*.html page/page.css page/page.js
var files embed.FS

var (
	templates = template.Must(template.New("").Funcs(template.FuncMap{
		"ms":   func(v float64) string { d, _ := span2(v, 0); return short(d) },
		"s":    func(v float64) string { d, _ := span2(v, 0); return clock(d) },
		"link": link, "sign": sign, "hex": func(h uint32) string { return fmt.Sprintf("%08x", h) },
		"add": func(a, b int) int { return a + b },
	}).ParseFS(files, "page/*.html"))
	style  = template.CSS(mustRead("page/page.css"))
	script = template.JS(mustRead("page/page.js"))
)

// limits say how much of a run is on its page.
type limits struct {
	findings  int
	rows      int // of operations and watches, in all
	rowsOfOne int // of one finding
	logLines  int // of all members
}

func (l limits) half() limits {
	return limits{max(l.findings/2, 1), l.rows / 2, max(l.rowsOfOne/2, 1), l.logLines / 2}
}

// page is what the template shows.
type page struct {
	*Summary
	Style  template.CSS
	Script template.JS
	// Policy keeps the page from loading anything and from running any script but its own, whatever is in the values it shows.
	Policy   string
	Timeline *timeline
	Shown    []findingView
	Logs     []memberLog
}

// newPage shows less of the run until the page is small enough.
func newPage(dir string, r *history.Record, s *Summary) ([]byte, error) {
	p := page{Summary: s, Style: style, Script: script, Policy: policy(string(script)), Timeline: newTimeline(r, s)}
	for l := (limits{findings: 100, rows: 2000, rowsOfOne: 50, logLines: 1500}); ; l = l.half() {
		p.Shown, p.Logs = findingViews(r, s, l), readLogs(dir, r, l.logLines)
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, "page.html", p); err != nil {
			return nil, err
		}
		if b.Len() <= MaxPageBytes || l.rows == 0 && l.logLines == 0 {
			return b.Bytes(), nil
		}
	}
}

// policy is what browsers hold the page to.
func policy(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; frame-src 'self' file:; base-uri 'none'; form-action 'none'"
}

// link is a path relative to the page, which no name can turn into something else.
func link(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return "./" + strings.Join(parts, "/")
}

// sign stands beside colours, for those who can not tell them.
func sign(verdict string) string {
	switch verdict {
	case Passed:
		return "✓"
	case Failed:
		return "✗"
	}
	return "–"
}

func mustRead(name string) string {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(data)
}
