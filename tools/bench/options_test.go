package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQuickGivesWayToOtherFlags(t *testing.T) {
	o, err := parseOptions([]string{"-quick", "-duration", "5s", "-server-flags", "--a=1  --b"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.rounds != 1 || o.duration != 5*time.Second || o.keys != 100_000 || !slices.Equal(o.extra, []string{"--a=1", "--b"}) {
		t.Errorf("options = %+v", o)
	}
}

func TestBadOptions(t *testing.T) {
	for _, args := range [][]string{
		{"-rounds", "0"}, {"-duration", "1ms"}, {"-ops", "-1"}, {"-keys", "10"}, {"-a", ""}, {"-warmup", "-1s"}, {"-nothing"}, {"extra"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestHelpHasExamples(t *testing.T) {
	var out strings.Builder
	if _, err := parseOptions([]string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error = %v", err)
	}
	for _, want := range []string{"Examples:", "go run ./tools/bench", "-rounds", "-cpuprofile"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %q", want)
		}
	}
}

func TestSelectRows(t *testing.T) {
	names := func(rows string) (string, error) {
		o, err := parseOptions([]string{"-rows", rows}, io.Discard)
		if err != nil {
			return "", err
		}
		scenes, err := selectRows(o)
		var out []string
		for _, s := range scenes {
			for _, r := range s.rows {
				out = append(out, r.name)
			}
		}
		return strings.Join(out, " "), err
	}
	for rows, want := range map[string]string{
		"put-1000,range-10k": "put-1000 range-10k",
		"get-*":              "get-lin-1 get-lin-1000 get-ser-1000",
		"count-1m":           "count-1m",
		"load-1m":            "",
	} {
		if got, err := names(rows); err != nil || got != want {
			t.Errorf("-rows %s selects %q, %v; want %q", rows, got, err, want)
		}
	}
	if _, err := names("put-1,nothing"); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("error = %v", err)
	}
}

func TestProgressBar(t *testing.T) {
	p := &progress{}
	p.begin(4)
	p.step(0, "etcd", "start")
	p.step(0, "etcd", "put-1")
	if got := p.render(0.5, 30*time.Second); !strings.Contains(got, " 38%") || !strings.Contains(got, "etcd  put-1") || !strings.Contains(got, "50s left") {
		t.Errorf("bar = %q", got)
	}
	for range 10 {
		p.step(1, "etcd", "")
	}
	if got := p.render(1, time.Minute); !strings.Contains(got, "100%") || strings.Contains(got, ".]") {
		t.Errorf("bar = %q", got)
	}
}
