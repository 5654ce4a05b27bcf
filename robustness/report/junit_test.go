package report_test

import (
	"encoding/xml"
	"strconv"
	"testing"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report"
)

// suites is JUnit's XML as the programs that read it see it, apart from ours.
type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Suites   []struct {
		Name      string `xml:"name,attr"`
		Tests     int    `xml:"tests,attr"`
		Failures  int    `xml:"failures,attr"`
		Errors    int    `xml:"errors,attr"`
		Skipped   int    `xml:"skipped,attr"`
		Time      string `xml:"time,attr"`
		Timestamp string `xml:"timestamp,attr"`
		Hostname  string `xml:"hostname,attr"`
		Cases     []struct {
			Name      string `xml:"name,attr"`
			ClassName string `xml:"classname,attr"`
			Time      string `xml:"time,attr"`
			Failure   *struct {
				Message string `xml:"message,attr"`
				Type    string `xml:"type,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct {
				Message string `xml:"message,attr"`
			} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func readSuites(t *testing.T, dir string) suites {
	t.Helper()
	var all suites
	if err := xml.Unmarshal(read(t, dir, report.JUnitName), &all); err != nil {
		t.Fatal(err)
	}
	tests, failures, skipped, errs := 0, 0, 0, 0
	for _, s := range all.Suites {
		if s.Name == "" || s.Timestamp == "" {
			t.Errorf("a suite lacks what every reader wants: %+v", s)
		}
		tests, failures, skipped, errs = tests+s.Tests, failures+s.Failures, skipped+s.Skipped, errs+s.Errors
		cases := [4]int{len(s.Cases)}
		for _, c := range s.Cases {
			if _, err := strconv.ParseFloat(c.Time, 64); err != nil || c.Name == "" || c.ClassName == "" {
				t.Errorf("a case lacks what every reader wants: %+v", c)
			}
			if c.Failure != nil {
				cases[1]++
			}
			if c.Skipped != nil {
				cases[2]++
			}
			if c.Error != nil {
				cases[3]++
			}
		}
		if cases != [4]int{s.Tests, s.Failures, s.Skipped, s.Errors} {
			t.Errorf("%s counts %d %d %d %d, and has %v", s.Name, s.Tests, s.Failures, s.Skipped, s.Errors, cases)
		}
	}
	if all.Tests != tests || all.Failures != failures || all.Skipped != skipped || all.Errors != errs {
		t.Errorf("the sums are wrong: %+v", all)
	}
	return all
}

func TestEachCheckIsACase(t *testing.T) {
	all := readSuites(t, reported(t, found(crafted(7, 500))))
	if all.Tests != 7 || all.Failures != 2 || all.Skipped != 1 {
		t.Fatalf("%d tests, %d failures, %d skipped", all.Tests, all.Failures, all.Skipped)
	}
	first := all.Suites[0].Cases[0]
	if first.Name != "linearizable" || first.ClassName != "lab.leader-loss" || first.Failure.Type != "linearizable" || first.Failure.Message == "" || first.Failure.Text == "" {
		t.Errorf("%+v, %+v", first, first.Failure)
	}
}

func TestHostileValuesAreTextInXML(t *testing.T) {
	if all := readSuites(t, reported(t, hostileRecordWithLogs())); all.Failures != 2 {
		t.Errorf("%+v", all)
	}
}

// hostileRecordWithLogs is one whose logs have names that can be written.
func hostileRecordWithLogs() *history.Record {
	r := hostileRecord()
	r.Members[0].LogFile = "m0.log"
	return r
}

func TestARunThatNobodyJudgedIsAnError(t *testing.T) {
	for name, verdicts := range map[string][]history.Verdict{"none": nil, "all skipped": {{Check: "leases", Skipped: "no leases"}}} {
		r := crafted(7, 100)
		r.Verdicts = verdicts
		dir := reported(t, r)
		if all := readSuites(t, dir); all.Errors != 1 {
			t.Errorf("%s: %+v", name, all)
		}
		s, err := report.Read(dir)
		if err != nil || s.Verdict != report.Unjudged {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}
