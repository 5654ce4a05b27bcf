package main

import (
	"context"
	"time"

	"quoin.dev/quoin/tools/bench/load"
	"quoin.dev/quoin/tools/bench/proc"
)

// holdTimeout bounds how long watchers are kept for a reading of memory.
const holdTimeout = 10 * time.Minute

// memory is that of the server some time after what came before, and what came since its start for each of so many things.
func (r *runner) memory(ctx context.Context, m *member, each int64) (values, error) {
	settle := settleTime
	if r.options.quick {
		settle = settleQuick
	}
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	memory, err := proc.ReadMemory(m.pid())
	if err != nil {
		return nil, err
	}
	size, err := m.databaseBytes()
	if err != nil {
		return nil, err
	}
	v := values{metricRSS: mebi(memory.RSS), metricAnon: mebi(memory.Anon), metricDatabase: mebi(size)}
	if each > 0 {
		v[metricGrown] = mebi(memory.RSS - m.began.RSS)
		v[metricEach] = float64(memory.RSS-m.began.RSS) / float64(each)
	}
	return v, nil
}

// watchMemory is memory while watchers are open to which nothing happens.
func (r *runner) watchMemory(ctx context.Context, m *member, row *row) (v values, err error) {
	spec := load.Spec{Address: m.address, Access: m.access, Request: row.request, Watch: row.watch, Duration: holdTimeout}
	err = load.Hold(spec, func() error {
		v, err = r.memory(ctx, m, row.each)
		return err
	})
	return v, err
}
