package member

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/server/apply"
)

func TestOldRevisionsAreCompacted(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cfg.Compaction.Period = 100 * time.Millisecond
	m := beginReady(t, cfg)
	compacted := func() (revision int64) {
		_ = m.View(func(s *apply.State) error {
			revision = s.KV.CompactRevision()
			return nil
		})
		return revision
	}
	for _, key := range []string{"a", "b", "c"} {
		m.put(t, key, "1")
	}
	w.Eventually(compacted, "30s").Should(BeEquivalentTo(4))
	m.put(t, "d", "1")
	w.Eventually(compacted, "30s").Should(BeEquivalentTo(5))
}
