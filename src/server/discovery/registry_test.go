package discovery

import (
	"errors"
	"strings"
	"testing"

	"quoin.dev/pkg/clusterurl"
)

// FuzzReports: of what others wrote at a registry, a cluster comes that has as many members as reports were counted, or none does.
func FuzzReports(f *testing.F) {
	for _, values := range []string{"a=http://h:1\nb=http://h:2,b=https://i:3", "a=http://h:1\n a=http://h:2", "a=http://h:1\na=http://h:2", "\na\n=", "a=http://h:1,b=http://h:2"} {
		f.Add(values)
	}
	f.Fuzz(func(t *testing.T, values string) {
		r := Registry{Token: "t"}
		var reports []report
		for value := range strings.SplitSeq(values, "\n") {
			if one, ok := r.reportOf([]byte(r.memberKey("1")), []byte(value)); ok {
				reports = append(reports, one)
			}
		}
		text, err := r.founders(reports)
		if errors.Is(err, ErrTaken) {
			return
		}
		founders, parsed := clusterurl.ParseFounders(text)
		if err != nil || parsed != nil || len(founders) != len(reports) {
			t.Errorf("%d reports in %q became %q: %v, %v", len(reports), values, founders, err, parsed)
		}
	})
}
