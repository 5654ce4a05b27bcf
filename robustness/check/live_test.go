package check_test

import (
	"net/url"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/workload"
	"quoin.dev/server/embed"
)

// liveLoad is for how long a real member is loaded.
const liveLoad = 2500 * time.Millisecond

// load loads a member that has no fault, and returns the record.
func load(t *testing.T, auth *workload.Auth, kinds ...workload.Kind) *history.Record {
	t.Helper()
	cfg := embed.Private(t.TempDir())
	cfg.ListenClientURLs = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.Security.BcryptCost = 4
	server, err := embed.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	select {
	case <-server.Serving():
	case <-time.After(30 * time.Second):
		t.Fatal("the member does not serve")
	}
	start := time.Now()
	o := workload.Options{
		Seed: 5, Targets: []workload.Target{{Name: "m0", Endpoint: server.ClientAddrs()[0].String()}},
		Clock: func() time.Duration { return time.Since(start) }, Recorder: workload.NewRecorder(),
	}
	if auth != nil {
		o.User, o.Password = "root", "secret"
		if err := workload.SetupAuth(t.Context(), o, *auth); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, *auth)
	}
	w := workload.Start(t.Context(), o, kinds...)
	<-time.After(liveLoad) // this is the load itself, and nothing is waited for
	w.Stop()
	return &history.Record{
		Members: []history.Member{{Name: "m0", Program: "quoin"}}, Duration: time.Since(start), Loaded: w.Loaded(),
		Operations: o.Recorder.Operations(), Watches: o.Recorder.Watches(),
	}
}

func passes(t *testing.T, r *history.Record) {
	t.Helper()
	check.Run(t.Context(), r, check.Options{Dir: t.TempDir()})
	for _, v := range r.Verdicts {
		t.Logf("%-16s %8v %s%s", v.Check, v.Took.Round(time.Millisecond), v.Judged, v.Skipped)
		if len(v.Findings) > 0 {
			t.Errorf("%s: %s", v.Check, texts(v))
		}
	}
	if v := judge(t, "linearizable", r, check.Options{}); v.Skipped != "" {
		t.Error(v.Skipped)
	}
}

// What real clients hear from a real member that nobody harms is right, whatever the load.
func TestRealLoadsPass(t *testing.T) {
	loads := map[string][]workload.Kind{
		"mixed":      {workload.Mixed{}, workload.Watches{}},
		"leases":     {workload.Leases{}, workload.Locks{}},
		"kubernetes": {workload.Kubernetes{}, workload.Counters{}, workload.Compactor{}},
	}
	for name, kinds := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			passes(t, load(t, nil, kinds...))
		})
	}
	t.Run("auth", func(t *testing.T) {
		t.Parallel()
		passes(t, load(t, &workload.Auth{}))
	})
}
