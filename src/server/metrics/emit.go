package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"quoin.dev/pkg/meter"
)

// family is one metric with all its labels.
type family struct {
	name   string
	labels []string
	desc   *prometheus.Desc
	kind   prometheus.ValueType
}

// catalog is the families of one collector, which describes itself by them.
type catalog []*family

func (c *catalog) add(kind prometheus.ValueType, name, help string, labels []string) *family {
	f := &family{name, labels, prometheus.NewDesc(name, help, labels, nil), kind}
	*c = append(*c, f)
	return f
}

func (c *catalog) gauge(name, help string, labels ...string) *family {
	return c.add(prometheus.GaugeValue, name, help, labels)
}

func (c *catalog) counter(name, help string, labels ...string) *family {
	return c.add(prometheus.CounterValue, name, help, labels)
}

// histogram has no value type of its own.
func (c *catalog) histogram(name, help string, labels ...string) *family {
	return c.add(prometheus.UntypedValue, name, help, labels)
}

func (c *catalog) describe(ch chan<- *prometheus.Desc) {
	for _, f := range *c {
		ch <- f.desc
	}
}

// out is where a collector puts its metrics.
type out chan<- prometheus.Metric

func (o out) put(f *family, value float64, labels ...string) {
	o <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
}

func (o out) count(f *family, n uint64, labels ...string) { o.put(f, float64(n), labels...) }

func (o out) truth(f *family, is bool, labels ...string) {
	value := 0.0
	if is {
		value = 1
	}
	o.put(f, value, labels...)
}

func (o out) spread(f *family, h *meter.Histogram, labels ...string) {
	o.snapshot(f, h.Snapshot(), labels...)
}

func (o out) snapshot(f *family, s meter.Snapshot, labels ...string) {
	o <- prometheus.MustNewConstHistogram(f.desc, s.Count, s.Sum, s.Cumulative, labels...)
}

// live is a counter whose labels were put together once: there are hundreds of them, and most are asked for in vain.
type live struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	from   *meter.Counter
}

// newLive takes labels as names and values in turn.
func newLive(f *family, from *meter.Counter, labels ...string) *live {
	l := &live{desc: f.desc, from: from}
	for i := 0; i < len(labels); i += 2 {
		l.labels = append(l.labels, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	slices.SortFunc(l.labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return l
}

// Desc implements prometheus.Metric.
func (l *live) Desc() *prometheus.Desc { return l.desc }

// Write implements prometheus.Metric.
func (l *live) Write(m *dto.Metric) error {
	m.Label = l.labels
	m.Counter = &dto.Counter{Value: new(float64(l.from.Load()))}
	return nil
}
