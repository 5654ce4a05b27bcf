package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// reported writes the report of a run with its logs, and returns the directory.
func reported(t testing.TB, r *history.Record) string {
	t.Helper()
	dir := t.TempDir()
	writeLogs(t, dir, r)
	if err := report.Write(dir, r); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheSummaryIsAsItWas(t *testing.T) {
	dir := reported(t, found(crafted(7, 5000)))
	got := bytes.ReplaceAll(read(t, dir, report.SummaryName), []byte(dir), []byte("DIR"))
	golden := filepath.Join("testdata", "summary.json")
	if *update {
		write(t, golden, string(got))
	}
	if want := read(t, golden); !bytes.Equal(got, want) {
		t.Errorf("report.json differs from %s; -update writes it anew:\n%s", golden, got)
	}
	s, err := report.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Verdict != report.Failed || s.FindingsInAll != 3 || s.Dir != dir {
		t.Errorf("read back: %s, %d findings, %s", s.Verdict, s.FindingsInAll, s.Dir)
	}
}

func TestAFormatFromAnotherTimeIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, report.SummaryName), `{"format": 99}`)
	if _, err := report.Read(dir); err == nil || !strings.Contains(err.Error(), "99") {
		t.Error(err)
	}
}

// elements parses a page and calls f for each element.
func elements(t *testing.T, page []byte, f func(n *html.Node)) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			f(n)
		}
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestThePageIsWellFormedAndLoadsNothing(t *testing.T) {
	for name, r := range map[string]*history.Record{"passed": crafted(7, 5000), "failed": found(crafted(7, 5000)), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			page := read(t, reported(t, r), report.PageName)
			nested(t, page)
			ids := map[string]bool{}
			var targets []string
			elements(t, page, func(n *html.Node) {
				if id := attribute(n, "id"); id != "" {
					if ids[id] {
						t.Errorf("two elements have the id %s", id)
					}
					ids[id] = true
				}
				for _, a := range n.Attr {
					switch a.Key {
					case "src", "href", "data", "action", "poster", "srcset":
						if target, ok := strings.CutPrefix(a.Val, "#"); ok {
							targets = append(targets, target)
						} else if !strings.HasPrefix(a.Val, "./") && a.Val != "data:," {
							t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
						}
					}
					if strings.HasPrefix(a.Key, "on") {
						t.Errorf("%s has %s", n.Data, a.Key)
					}
				}
				if n.Data == "th" && attribute(n, "scope") == "" {
					t.Errorf("a header of a table has no scope")
				}
			})
			for _, target := range targets {
				if !ids[target] {
					t.Errorf("a link leads to #%s, which is not there", target)
				}
			}
			if bytes.Contains(page, []byte("@import")) || bytes.Contains(page, []byte("url(http")) {
				t.Error("the style loads something")
			}
		})
	}
}

// nested checks that each end tag ends the element that began last.
func nested(t *testing.T, page []byte) {
	t.Helper()
	void := map[string]bool{"meta": true, "link": true, "br": true, "input": true}
	var open []string
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("never ended: %v", open)
			}
			return
		case html.StartTagToken:
			if name := z.Token().Data; !void[name] {
				open = append(open, name)
			}
		case html.EndTagToken:
			name := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> ends nothing; open are %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

// hostile is what somebody might put where the lab expects words.
const hostile = "</script></style></title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">' \" \xff\xfe\x00 \u202e javascript:alert(1) {{.}} ]]> -->"

func hostileRecord() *history.Record {
	r := found(crafted(7, 500))
	r.Scenario, r.Host = hostile, hostile
	for i := range r.Members {
		r.Members[i].Program, r.Members[i].Address = hostile, hostile
	}
	r.Members[0].LogFile = "../../" + hostile
	for i := range r.Faults {
		r.Faults[i].Kind, r.Faults[i].Detail, r.Faults[i].Proof = hostile, hostile, hostile
		r.Faults[i].Members = append(r.Faults[i].Members, hostile)
	}
	for _, i := range r.Verdicts[0].Findings[0].Operations {
		o := &r.Operations[i]
		o.User, o.Request = hostile, &pb.PutRequest{Key: []byte(hostile), Value: []byte(hostile)}
		o.Outcome, o.Code, o.Error = history.Refused, hostile, hostile
	}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		v.Check, v.What, v.Judged = v.Check+hostile, hostile, hostile
		for j := range v.Findings {
			v.Findings[j].Text, v.Findings[j].Picture = hostile, "javascript:"+hostile
		}
	}
	r.Verdicts[1].Findings[0].Operations = []int{-1, 1 << 40}
	r.Verdicts[1].Findings[0].Watches = []int{-1, 1 << 40}
	return r
}

func TestHostileValuesAreInert(t *testing.T) {
	r := hostileRecord()
	dir := t.TempDir()
	for _, m := range r.Members[1:] {
		write(t, filepath.Join(dir, m.LogFile), hostile+"\n"+fmt.Sprintf(`{"level":%q,"ts":"x","msg":%q,%q:%q}`, hostile, hostile, hostile, hostile)+"\n")
	}
	if err := report.Write(dir, r); err != nil {
		t.Fatal(err)
	}
	page := read(t, dir, report.PageName)
	nested(t, page)
	scripts := 0
	elements(t, page, func(n *html.Node) {
		switch {
		case n.Data == "script":
			scripts++
		case n.Data == "img", attribute(n, "onerror") != "":
			t.Errorf("a value became the element %s", n.Data)
		case strings.HasPrefix(attribute(n, "href"), "javascript:"), strings.HasPrefix(attribute(n, "src"), "javascript:"):
			t.Errorf("a value became a link: %v", n.Attr)
		case strings.Contains(attribute(n, "href"), "../"):
			t.Errorf("a link leads out of the directory: %v", n.Attr)
		}
	})
	if scripts != 2 {
		t.Errorf("%d scripts instead of 2", scripts)
	}
	if bytes.ContainsRune(page, '\u202e') || !bytes.Equal(page, bytes.ToValidUTF8(page, nil)) {
		t.Error("the page holds bytes that are no text, or text that hides other text")
	}
}

func TestALongRunHasASmallPage(t *testing.T) {
	r := crafted(7, 70_000)
	if len(r.Operations) < 50_000 {
		t.Fatalf("only %d operations", len(r.Operations))
	}
	f := history.Finding{Text: strings.Repeat("much ", 2000), At: time.Second}
	for i := range 500 {
		f.Operations = append(f.Operations, i)
	}
	for range 400 {
		r.Verdicts[0].Findings = append(r.Verdicts[0].Findings, f)
	}
	for i := range 300 {
		r.Faults = append(r.Faults, history.Fault{Kind: "kill", Members: []string{"m1"}, Injected: time.Duration(i) * 100 * time.Millisecond, Healed: time.Duration(i)*100*time.Millisecond + time.Second})
	}
	dir := t.TempDir()
	writeLogs(t, dir, r)
	begin := time.Now()
	if err := report.Write(dir, r); err != nil {
		t.Fatal(err)
	}
	// It needs less than a second of one core; the rest is for machines that are busy.
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	page := read(t, dir, report.PageName)
	t.Logf("%d operations, page of %d kB", len(r.Operations), len(page)>>10)
	if len(page) > report.MaxPageBytes {
		t.Errorf("the page has %d bytes", len(page))
	}
}
