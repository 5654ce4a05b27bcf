package report

import (
	"encoding/xml"
	"fmt"
	"strings"

	"quoin.dev/quoin/robustness/report/words"
)

// What JUnit's XML is read as by most programs: a suite for each run, a case for each check.
type (
	testSuites struct {
		XMLName  xml.Name    `xml:"testsuites"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Suites   []testSuite `xml:"testsuite"`
	}
	testSuite struct {
		Name       string     `xml:"name,attr"`
		Tests      int        `xml:"tests,attr"`
		Failures   int        `xml:"failures,attr"`
		Errors     int        `xml:"errors,attr"`
		Skipped    int        `xml:"skipped,attr"`
		Time       string     `xml:"time,attr"`
		Timestamp  string     `xml:"timestamp,attr"`
		Hostname   string     `xml:"hostname,attr"`
		Properties []property `xml:"properties>property"`
		Cases      []testCase `xml:"testcase"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	testCase struct {
		Name      string   `xml:"name,attr"`
		ClassName string   `xml:"classname,attr"`
		Time      string   `xml:"time,attr"`
		Failure   *problem `xml:"failure,omitempty"`
		Error     *problem `xml:"error,omitempty"`
		Skipped   *problem `xml:"skipped,omitempty"`
		Out       string   `xml:"system-out,omitempty"`
	}
	problem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

func junit(runs ...Summary) ([]byte, error) {
	all := testSuites{Name: "quoin lab"}
	var seconds float64
	for _, s := range runs {
		suite := newSuite(s)
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
		seconds += s.DurationMS / 1000
		all.Suites = append(all.Suites, suite)
	}
	all.Time = fmt.Sprintf("%.3f", seconds)
	data, err := xml.MarshalIndent(all, "", "  ")
	return append([]byte(xml.Header), append(data, '\n')...), err
}

func newSuite(s Summary) testSuite {
	suite := testSuite{
		Name: fmt.Sprintf("%s seed %d", s.Scenario, s.Seed), Time: fmt.Sprintf("%.3f", s.DurationMS/1000),
		Timestamp: s.Started.UTC().Format("2006-01-02T15:04:05"), Hostname: s.Host,
		Properties: []property{{"seed", fmt.Sprint(s.Seed)}, {"replay", s.Replay}},
	}
	for _, c := range s.Checks {
		suite.Cases = append(suite.Cases, newCase(s, c))
	}
	if s.Verdict == Unjudged {
		// A run that nobody judged must not look like one that passed.
		suite.Cases = append(suite.Cases, testCase{Name: "judged", ClassName: className(s), Time: "0.000", Error: &problem{Message: s.Sentence, Type: Unjudged}})
	}
	for _, c := range suite.Cases {
		suite.Tests++
		switch {
		case c.Failure != nil:
			suite.Failures++
		case c.Error != nil:
			suite.Errors++
		case c.Skipped != nil:
			suite.Skipped++
		}
	}
	return suite
}

func newCase(s Summary, c Check) testCase {
	one := testCase{Name: c.Name, ClassName: className(s), Time: fmt.Sprintf("%.3f", c.TookMS/1000), Out: oneLine(c.What + " " + c.Judged)}
	switch c.Verdict {
	case Skipped:
		one.Skipped = &problem{Message: c.Skipped}
	case Failed:
		var texts []string
		for _, f := range s.Findings {
			if f.Check == c.Name && len(texts) < 20 {
				texts = append(texts, fmt.Sprintf("at %.3f s: %s", f.AtMS/1000, f.Text))
			}
		}
		one.Failure = &problem{Message: counted(c.Findings, "finding", "findings"), Type: c.Name, Text: strings.Join(texts, "\n") + "\n" + s.Replay}
		if len(texts) > 0 {
			one.Failure.Message = words.Text(oneLine(texts[0]), 300)
		}
	}
	return one
}

// className groups the cases of a scenario; dots would make groups of their own.
func className(s Summary) string { return "lab." + strings.ReplaceAll(s.Scenario, ".", "_") }
