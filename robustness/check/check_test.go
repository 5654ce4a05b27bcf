package check_test

import (
	"testing"
	"time"

	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
)

func TestARecordWithoutFaultPasses(t *testing.T) {
	r := mixed(8, 600).end()
	check.Run(t.Context(), r, check.Options{})
	for _, v := range r.Verdicts {
		if len(v.Findings) > 0 {
			t.Errorf("%s: %s", v.Check, texts(v))
		}
		if v.What == "" || v.Judged == "" && v.Skipped == "" {
			t.Errorf("%s says nothing of what it has done: %+v", v.Check, v)
		}
	}
	for _, name := range []string{"linearizable", "serializable", "realtime", "asked", "divergence", "watch-reliable", "watch-delivery", "durable", "hashes", "leases", "available"} {
		if v := judge(t, name, r, check.Options{}); !v.Passed() {
			t.Errorf("%s has not judged: %s", name, v.Skipped)
		}
	}
}

func TestNothingIsJudgedWhereThereIsNothing(t *testing.T) {
	r := new(history.Record)
	check.Run(t.Context(), r, check.Options{})
	for _, v := range r.Verdicts {
		if v.Passed() || len(v.Findings) > 0 {
			t.Errorf("%s has judged an empty record: %+v", v.Check, v)
		}
	}
}

func TestManyOperationsAreJudgedSoon(t *testing.T) {
	r := mixed(12, 20_000).end()
	start := time.Now()
	check.Run(t.Context(), r, check.Options{})
	took := time.Since(start)
	for _, v := range r.Verdicts {
		t.Logf("%-16s %8v %s%s", v.Check, v.Took.Round(time.Millisecond), v.Judged, v.Skipped)
		if len(v.Findings) > 0 {
			t.Errorf("%s: %s", v.Check, texts(v))
		}
	}
	if v := judge(t, "linearizable", r, check.Options{}); v.Skipped != "" {
		t.Error(v.Skipped)
	}
	if took > 3*time.Minute {
		t.Errorf("%d operations took %v", len(r.Operations), took)
	}
}
