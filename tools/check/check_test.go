package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestReportOfGinkgo(t *testing.T) {
	const report = `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"[It] a skips","Output":"> Enter [It] skips - a_test.go:1\n[SKIPPED] not here\nIn [It] at: a_test.go:1\n"}
{"Action":"skip","Package":"p","Test":"[It] a skips","Elapsed":0.1}
{"Action":"pass","Package":"p","Test":"[It] a passes","Elapsed":0.1}
{"Action":"output","Package":"p","Test":"[It] a fails","Output":"> Enter [It] fails - a_test.go:1\n[FAILED] expected 1\nto be 2\n"}
{"Action":"fail","Package":"p","Test":"[It] a fails","Elapsed":0.1}
{"Action":"fail","Package":"p","Elapsed":0.3}
`
	var out bytes.Buffer
	c := &counts{out: &out}
	if err := c.read(strings.NewReader(report)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.skips, ", "); c.skipped != 1 || got != "p [It] a skips: not here" {
		t.Errorf("%d skipped: %q", c.skipped, got)
	}
	if got := strings.Join(c.failures, ", "); c.passed != 1 || c.failed != 2 || got != "p [It] a fails: expected 1 to be 2, p" {
		t.Errorf("%d passed, %d failed: %q", c.passed, c.failed, got)
	}
	if got := line("p TestA", complaintOf("=== RUN   TestA\n    a_test.go:7: got 1\n    a_test.go:8: got "+strings.Repeat("é", 1000)+"\n--- FAIL")); len(got) > 600 ||
		!strings.HasPrefix(got, "p TestA: a_test.go:7: got 1 a_test.go:8: got éé") {
		t.Errorf("a complaint that is long: %q", got)
	}
	if !strings.Contains(out.String(), "to be 2\nFAIL p [It] a fails") {
		t.Errorf("what failed is not shown:\n%s", out.String())
	}
}
