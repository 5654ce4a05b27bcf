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
{"Action":"output","Package":"p","Test":"[It] a fails","Output":"expected 1\n"}
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
	if got := strings.Join(c.failures, ", "); c.passed != 1 || c.failed != 2 || got != "p [It] a fails, p" {
		t.Errorf("%d passed, %d failed: %q", c.passed, c.failed, got)
	}
	if !strings.Contains(out.String(), "expected 1\nFAIL p [It] a fails") {
		t.Errorf("what failed is not shown:\n%s", out.String())
	}
}
