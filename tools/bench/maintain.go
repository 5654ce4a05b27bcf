package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"quoin.dev/client"
	"quoin.dev/quoin/tools/bench/load"
)

const (
	// jobTimeout bounds what a member does beside the puts.
	jobTimeout = 10 * time.Minute
	// jobStretch is how much longer than others the window of a defragmentation is: a put that waits for all of it shall have
	// its answer in it.
	jobStretch = 10
)

// maintenanceScenes is what is measured of a member that looks after its database.
func maintenanceScenes(keys int64) []scene {
	put := load.Request{Kind: load.Put, Keys: 10_000, KeyBytes: 32, ValueBytes: 256}
	fill := fillRow("", "", keys, 64, 1<<10)
	history := fillRow("", "", keys, 32, 256)
	history.request.Keys, history.request.Each, history.total = put.Keys, false, keys
	defrag := loadRow("defrag-1g", "puts by 100 clients beside a defragmentation of 1M keys with 1 KB values; max_ms is the longest pause", 100, put)
	defrag.kind, defrag.job, defrag.stretch = kindMaintain, defragment, jobStretch
	compact := loadRow("compact-1m", "puts by 100 clients, alone and then beside a compaction of 1M revisions of 10k keys", 100, put)
	compact.kind, compact.job = kindMaintain, compactAll
	return []scene{
		{name: "maintain-1g", fill: &fill, rows: []row{
			{name: "snapshot-1g", kind: kindSnapshot, help: "a snapshot of 1M keys with 1 KB values, read by one client"},
			defrag,
		}},
		{name: "compact-1m", fill: &history, rows: []row{compact}},
	}
}

// maintain measures puts alone, and then while the member does a job that begins with the window.
func (r *runner) maintain(ctx context.Context, m *member, row *row, round int) (values, error) {
	alone := *row
	alone.stretch = 1
	before, err := r.load(ctx, m, &alone, round)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	cl, err := m.client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	took := make(chan time.Duration, 1)
	var jobErr error // read after took
	busy := *r
	busy.measuring = func() {
		go func() {
			began := time.Now()
			jobErr = row.job(ctx, cl, m)
			took <- time.Since(began)
		}()
	}
	v, err := busy.load(ctx, m, row, round)
	if err != nil {
		return nil, err
	}
	v[metricJob] = (<-took).Seconds()
	if jobErr != nil {
		return nil, fmt.Errorf("beside the puts: %w", jobErr)
	}
	if row.stretch > 1 && v[metricJob] > (r.options.duration*row.stretch).Seconds() {
		return nil, fmt.Errorf("it took %.1f s, longer than the window; try a longer -duration", v[metricJob])
	}
	v[metricP99Before], v[metricMaxBefore] = before[metricP99], before[metricMax]
	v[metricP99Growth] = v[metricP99] / before[metricP99]
	return v, nil
}

func defragment(ctx context.Context, cl *client.Client, m *member) error {
	_, err := cl.Defragment(ctx, m.address)
	return err
}

// compactAll compacts everything up to now, and waits until it is gone from the disk.
func compactAll(ctx context.Context, cl *client.Client, _ *member) error {
	r, err := cl.Get(ctx, "no such key")
	if err == nil {
		_, err = cl.Compact(ctx, r.Header.Revision, client.WithCompactPhysical())
	}
	return err
}

// snapshot reads one, and measures how fast.
func (r *runner) snapshot(ctx context.Context, m *member) (values, error) {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	cl, err := m.client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	began := time.Now()
	s, err := cl.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(io.Discard, s)
	took := time.Since(began)
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return values{metricRate: mebi(n) / took.Seconds(), metricJob: took.Seconds(), metricDatabase: mebi(n)}, nil
}

// client is one of quoin's, for the calls that are not measured one by one.
func (m *member) client() (*client.Client, error) {
	return client.New(client.Config{Endpoints: []string{m.address}, DialTimeout: probeTimeout})
}
