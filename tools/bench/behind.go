package main

import "context"

// behind measures puts alone, and then while watchers catch up. That begins with the window: there is no warmup.
func (r *runner) behind(ctx context.Context, m *member, row *row, round int) (values, error) {
	alone := *row
	alone.watch = nil
	before, err := r.load(ctx, m, &alone, round)
	if err != nil {
		return nil, err
	}
	o := *r.options
	o.warmup = 0
	cold := *r
	cold.options = &o
	v, err := cold.load(ctx, m, row, round)
	if err != nil {
		return nil, err
	}
	v[metricP99Before] = before[metricP99]
	v[metricP99Growth] = v[metricP99] / before[metricP99]
	return v, nil
}
