package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quoin.dev/quoin/tools/bench/load"
)

const (
	// expiryAfter is how long after the start of the row the first leases end, for each 100k of them and at least. They are
	// granted, keys are attached to them, and the puts are measured without them before.
	expiryAfter      = 40 * time.Second
	expiryAfterLeast = 15 * time.Second
	// expiryTimeout bounds how long the last of them may stay.
	expiryTimeout = 10 * time.Minute
)

// expiry lets leases with a key each end together while clients put.
func (r *runner) expiry(ctx context.Context, m *member, leases int64) (values, error) {
	ends := time.Now().Add(max(time.Duration(leases)*expiryAfter/100_000, expiryAfterLeast)).Truncate(time.Millisecond)
	profile := profiler{options: r.options, member: m, name: fmt.Sprintf("lease-expire-%s.pprof", m.name)}
	run := func(clients int, request load.Request, change func(*load.Spec)) (*load.Result, error) {
		row := loadRow("", "", clients, request)
		spec := load.Spec{Address: m.address, PID: m.pid(), Conns: row.conns, Clients: clients, Request: request, Duration: fillTimeout, Seed: 1}
		change(&spec)
		res, err := generate(ctx, spec, r.progress.part, func() {
			if spec.Watch != nil {
				profile.start(ctx)
			}
		})
		if err == nil && res.Errors > 0 {
			err = fmt.Errorf("%d bad answers, the first of them: %s", res.Errors, res.FirstError)
		}
		return res, err
	}
	each := func(s *load.Spec) { s.Ops = leases }
	leased := load.Request{Kind: load.Grant, Keys: leases, KeyBytes: 32, ValueBytes: 32, Leased: true, Each: true, Ends: ends}
	if _, err := run(1000, leased, each); err != nil {
		return nil, err
	}
	leased.Kind, leased.Other = load.Put, true
	if _, err := run(1000, leased, each); err != nil {
		return nil, err
	}
	puts := load.Request{Kind: load.Put, Keys: 100_000, KeyBytes: 32, ValueBytes: 256}
	before, err := run(100, puts, func(s *load.Spec) { s.Warmup, s.Duration = r.options.warmup, r.options.duration/2 })
	if err != nil {
		return nil, err
	}
	wait := time.Until(ends)
	if wait < 0 {
		return nil, fmt.Errorf("leases ended before everything was ready, %v ago: the machine is too slow for this row", -wait)
	}
	during, err := run(100, puts, func(s *load.Spec) {
		s.Warmup, s.Duration = wait, expiryTimeout
		s.Watch = &load.Watch{Watchers: 1, Streams: 1, Conns: 1, Shape: load.OtherKeys, Deletes: leases, Beside: true}
	})
	if err := errors.Join(err, profile.wait()); err != nil {
		return nil, err
	}
	if during.Deletes != leases {
		return nil, fmt.Errorf("%d of %d leases were gone %v after they ended", during.Deletes, leases, expiryTimeout)
	}
	return values{
		metricGone: during.LastDelete.Sub(ends).Seconds(),
		metricOps:  during.OpsPerSecond(), metricMax: milliseconds(during.Max),
		metricP99: milliseconds(during.P99), metricP99Before: milliseconds(before.P99),
		metricP99Growth: float64(during.P99) / float64(before.P99),
	}, nil
}
