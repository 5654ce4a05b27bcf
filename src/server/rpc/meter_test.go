package rpc

import (
	"context"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc/metadata"

	"quoin.dev/api/rpctypes"
)

// A client says its version, and may say anything: it must not fill the memory, nor break what Prometheus reads.
func TestVersionsOfClientsAreBounded(t *testing.T) {
	w := NewWithT(t)
	m := NewMeter(false)
	said := func(version string) {
		m.came(metadata.NewIncomingContext(context.Background(), metadata.Pairs(rpctypes.MetadataClientAPIVersionKey, version)), unaryCalls)
	}
	said("3.7")
	said("3.7")
	said(strings.Repeat("9", 1000))
	said("\xff")
	for i := range 1000 {
		said(fmt.Sprint("4.", i))
	}
	m.came(context.Background(), unaryCalls)
	counts, all := map[string]uint64{}, uint64(0)
	m.Clients(func(kind, version string, n uint64) {
		w.Expect(kind).To(Equal("unary"))
		counts[version] = n
		all += n
	})
	w.Expect(counts).To(HaveKeyWithValue("3.7", BeEquivalentTo(2)))
	w.Expect(len(counts)).To(BeNumerically("<=", maxClientVersions+2))
	w.Expect(all).To(BeEquivalentTo(1005))
}
