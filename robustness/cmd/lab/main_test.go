package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/scenario"
)

// run is what the command says and returns.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	err := c.Execute()
	return out.String(), err
}

func TestListNamesEveryScenario(t *testing.T) {
	out, err := run(t, "list", "--guards")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenario.All() {
		if !strings.Contains(out, s.Name+" ") {
			t.Errorf("%s is not listed", s.Name)
		}
	}
	var all []listed
	if out, err = run(t, "list", "--json"); err != nil || json.Unmarshal([]byte(out), &all) != nil || len(all) != len(scenario.All()) {
		t.Errorf("%d scenarios in JSON, %v", len(all), err)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"run"}, "name a scenario"},
		{[]string{"run", "no-such"}, `no scenario "no-such"`},
		{[]string{"run", "kill-one", "--profile", "ci"}, "not both"},
		{[]string{"run", "--profile", "daily"}, "ci, nightly"},
		{[]string{"replay", t.TempDir()}, "plan.json"},
		{[]string{"report", t.TempDir()}, "record.json"},
	} {
		_, err := run(t, test.args...)
		if err == nil || !strings.Contains(err.Error(), test.says) || code(err) != exitUsage {
			t.Errorf("%v: %v", test.args, err)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{nil: 0, errFound: exitFound, errSpoiled: exitSpoiled, errors.New("other"): exitUsage} {
		if got := code(err); got != want {
			t.Errorf("%v: %d", err, got)
		}
	}
}

func TestChoose(t *testing.T) {
	count := func(todo jobs, err error) (n int) {
		if err != nil {
			t.Fatal(err)
		}
		for j := range todo {
			if j.Seed == 0 {
				t.Errorf("%s has no seed", j.Scenario.Name)
			}
			if n++; n == 200 {
				break
			}
		}
		return n
	}
	if n := count(choose([]string{"kill-*"}, "", 0, 0)); n < 4 {
		t.Errorf("%d runs of kill-*", n)
	}
	if n := count(choose(nil, profileCI, 0, 0)); n < 10 || n > 20 {
		t.Errorf("%d runs of continuous integration", n)
	}
	if n := count(choose(nil, profileNightly, 0, time.Hour)); n != 200 {
		t.Errorf("%d runs of a night, which goes on", n)
	}
	if n := count(choose(nil, profileNightly, 0, -time.Second)); n != 0 {
		t.Errorf("%d runs after the night", n)
	}
	for j := range mustChoose(t, 7) {
		if j.Seed != 7 {
			t.Errorf("seed %d", j.Seed)
		}
	}
}

func mustChoose(t *testing.T, seed uint64) jobs {
	t.Helper()
	todo, err := choose([]string{"kill-one"}, "", seed, 0)
	if err != nil {
		t.Fatal(err)
	}
	return todo
}

// A smaller plan that fails in another way is not what was looked for.
func TestInCommon(t *testing.T) {
	found := func(checks ...string) *history.Record {
		r := &history.Record{Verdicts: []history.Verdict{{Check: "watch-order"}}}
		for _, c := range checks {
			r.Verdicts = append(r.Verdicts, history.Verdict{Check: c, Findings: []history.Finding{{Text: "it"}}})
		}
		return r
	}
	for _, test := range []struct {
		again *history.Record
		want  string
	}{
		{nil, ""}, {found(), ""}, {found("available", "watch-order"), ""}, {found("logs", "durable"), "durable logs"}, {found("logs", "available"), "logs"},
	} {
		if got := strings.Join(inCommon(found("durable", "logs"), test.again), " "); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	out, err := run(t, "--help")
	for _, word := range []string{"run kill-leader", "replay DIR", "--shrink", "Exit codes", "list", "faults", "clean", "report"} {
		if err != nil || !strings.Contains(out, word) {
			t.Errorf("the help does not say %q (%v)", word, err)
		}
	}
}
