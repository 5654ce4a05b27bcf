package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"quoin.dev/quoin/robustness/report"
)

// indexed is the directory of an index of three runs, of which the second has failed.
func indexed(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	var runs []report.Summary
	for i, name := range []string{"a b", "second", "third"} {
		r := crafted(uint64(i), 300)
		r.Scenario = name
		if name == "second" {
			found(r)
		}
		if name == "third" {
			r.Verdicts = r.Verdicts[:3]
		}
		dir := filepath.Join(root, name+"-1")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := report.Write(dir, r); err != nil {
			t.Fatal(err)
		}
		s, err := report.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, *s)
	}
	if err := report.WriteIndex(root, runs); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestTheIndexLeadsToEveryRunAndShowsFailuresFirst(t *testing.T) {
	root := indexed(t)
	page := read(t, root, report.IndexName)
	nested(t, page)
	var links []string
	elements(t, page, func(n *html.Node) {
		if n.Data == "a" {
			links = append(links, attribute(n, "href"))
		}
	})
	want := "./second-1/report.html ./a%20b-1/report.html ./third-1/report.html"
	if got := strings.Join(links[:3], " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !strings.Contains(string(page), "1 of 3 runs failed") {
		t.Error("the first sentence does not say how many failed")
	}
	if all := readSuites(t, root); len(all.Suites) != 3 || all.Tests != 7+7+3 || all.Failures != 2 {
		t.Errorf("%+v", all)
	}
}

func TestAnIndexOfNothingHasNotPassed(t *testing.T) {
	root := t.TempDir()
	if err := report.WriteIndex(root, nil); err != nil {
		t.Fatal(err)
	}
	if page := string(read(t, root, report.IndexName)); strings.Contains(page, "PASSED") {
		t.Error("nothing was run, and the page says PASSED")
	}
}
