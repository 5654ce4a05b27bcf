package metrics

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
)

// reference is a metric of etcd 3.7.3: of three members with --metrics=extensive, or one that is declared only.
type reference struct {
	Name, Type string
	Labels     []string
	Ends       []float64 // of its buckets
}

func references(t *testing.T) map[string]reference {
	t.Helper()
	w := NewWithT(t)
	data, err := os.ReadFile("testdata/etcd.json")
	w.Expect(err).NotTo(HaveOccurred())
	var list []reference
	w.Expect(json.Unmarshal(data, &list)).To(Succeed())
	all := map[string]reference{}
	for _, r := range list {
		all[r.Name] = r
	}
	return all
}

var kinds = map[prometheus.ValueType]string{
	prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge", prometheus.UntypedValue: "histogram",
}

func families() (all []*family) {
	for _, c := range []catalog{memberFamilies, storageFamilies, networkFamilies, ownFamilies, callFamilies, checkFamilies, constantFamilies, fileFamilies, certificateFamilies} {
		all = append(all, c...)
	}
	return all
}

// What is of the process comes from Prometheus' own collectors, and is looked at where a member runs.
func TestNamesAreEtcds(t *testing.T) {
	w := NewWithT(t)
	want := references(t)
	maps.DeleteFunc(want, func(name string, _ reference) bool {
		return strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_")
	})
	// The store of version 2 never fails to read the list of members.
	delete(want, "etcd_debugging_store_reads_failed_total")
	got := map[string]reference{}
	for _, f := range families() {
		w.Expect(got).NotTo(HaveKey(f.name))
		r := reference{Name: f.name, Type: kinds[f.kind], Labels: slices.Sorted(slices.Values(f.labels))}
		if got[f.name] = r; !strings.HasPrefix(f.name, "quoin_") {
			w.Expect(want).To(HaveKey(f.name), "etcd has no such metric")
		}
	}
	for name, r := range want {
		slices.Sort(r.Labels)
		w.Expect(got[name].Type).To(Equal(r.Type), name)
		w.Expect(strings.Join(got[name].Labels, " ")).To(Equal(strings.Join(r.Labels, " ")), name)
	}
}

// Our own follow the conventions of Prometheus: only counters end in _total, and units are base units.
func TestOwnNames(t *testing.T) {
	plain := regexp.MustCompile(`^quoin_[a-z]+(_[a-z]+)*$`)
	for _, f := range slices.Concat(ownFamilies, certificateFamilies) {
		if !plain.MatchString(f.name) {
			t.Errorf("%s is not a name of ours", f.name)
		}
		if isTotal := strings.HasSuffix(f.name, "_total"); isTotal != (f.kind == prometheus.CounterValue) {
			t.Errorf("%s is a %s", f.name, kinds[f.kind])
		}
		for _, unit := range []string{"milliseconds", "kilobytes", "megabytes", "percent"} {
			if strings.Contains(f.name, unit) {
				t.Errorf("%s has a unit that is no base unit", f.name)
			}
		}
	}
}

// A file of authorities may have one twice; Prometheus would refuse all metrics for that.
func TestCertificates(t *testing.T) {
	w := NewWithT(t)
	late, soon := time.Unix(2e9, 0), time.Unix(1e9, 0)
	r := prometheus.NewRegistry()
	r.MustRegister(certificates(func() []Certificate {
		return []Certificate{
			{"peer", "authority", "ca.crt", "CN=x", late}, {"peer", "authority", "ca.crt", "CN=x", soon},
			{"client", "certificate", "a.crt", "CN=a", late},
		}
	}))
	families, err := r.Gather()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(families).To(HaveLen(1))
	w.Expect(families[0].GetName()).To(Equal("quoin_tls_expiry_timestamp_seconds"))
	ends := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		ends[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
	}
	w.Expect(ends).To(Equal(map[string]float64{"ca.crt": 1e9, "a.crt": 2e9}))
}
