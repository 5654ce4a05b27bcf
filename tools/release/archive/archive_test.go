package archive_test

import (
	"archive/zip"
	"bytes"
	"io"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/archive"
	"quoin.dev/quoin/tools/release/compare"
)

var entries = []archive.Entry{
	{Name: "top/bin/tool", Mode: 0o755, Data: []byte("program")},
	{Name: "top/bin/alias", Link: "tool"},
	{Name: "top/", Mode: 0o755},
}

// TestOrderAndZoneDoNotMatter: the bytes are a function of the set of entries and of the instant.
func TestOrderAndZoneDoNotMatter(t *testing.T) {
	g := NewWithT(t)
	when := time.Unix(1_700_000_000, 0)
	other := []archive.Entry{entries[2], entries[0], entries[1]}
	for name, write := range map[string]func(io.Writer, time.Time, []archive.Entry) error{"tar": archive.Tar, "tar.gz": archive.TarGz, "zip": archive.Zip} {
		var a, b bytes.Buffer
		g.Expect(write(&a, when.UTC(), entries)).To(Succeed(), name)
		g.Expect(write(&b, when.In(time.FixedZone("far", 11*3600)), other)).To(Succeed(), name)
		g.Expect(compare.Bytes(a.Bytes(), b.Bytes())).To(BeEmpty(), name)
	}
}

func TestZipFollowsLinks(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(archive.Zip(&b, time.Unix(0, 0), entries)).To(Succeed())
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	g.Expect(err).NotTo(HaveOccurred())
	f, err := r.Open("top/bin/alias")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(io.ReadAll(f)).To(BeEquivalentTo("program"))
	g.Expect(archive.Zip(&b, time.Unix(0, 0), entries[1:2])).To(MatchError(ContainSubstring("which is not in the archive")))
}
