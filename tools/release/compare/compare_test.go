package compare_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/archive"
	"quoin.dev/quoin/tools/release/compare"
)

var day = time.Unix(1_700_000_000, 0)

func tarGz(t *testing.T, when time.Time, entries ...archive.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := archive.TarGz(&b, when, entries); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, data string) archive.Entry {
	return archive.Entry{Name: name, Mode: 0o644, Data: []byte(data)}
}

func TestTheFirstDifferenceIsNamedThroughContainers(t *testing.T) {
	same := tarGz(t, day, file("a", "alpha"), file("b", "beta"))
	executable := file("b", "beta")
	executable.Mode = 0o755
	inner := tarGz(t, day, file("blob", string(same)))
	otherInner := tarGz(t, day, file("blob", string(tarGz(t, day, file("a", "alpha"), file("b", "bexa")))))
	for _, c := range []struct {
		name             string
		release, rebuild []byte
		want             string
	}{
		{"equal", same, same, ""},
		{"a byte", []byte("abc"), []byte("abd"), "byte 2 of 3 is 0x63 in the release and 0x64 in the rebuild"},
		{"a length", []byte("abc"), []byte("abcd"), "the release has 3 bytes and the rebuild 4, equal as far as both go"},
		{"a member", same, tarGz(t, day, file("a", "alpha"), file("b", "bexa")), "uncompressed > b > byte 2 of 4 is 0x74 in the release and 0x78 in the rebuild"},
		{"a missing member", same, tarGz(t, day, file("a", "alpha")), "uncompressed > b is only in the release"},
		{"a new member", same, tarGz(t, day, file("a", "alpha"), file("b", "beta"), file("c", "")), "uncompressed > c is only in the rebuild"},
		{"another name", same, tarGz(t, day, file("a", "alpha"), file("c", "beta")), "uncompressed > member 2 is b in the release and c in the rebuild"},
		{"a mode", same, tarGz(t, day, file("a", "alpha"), executable),
			`uncompressed > b > it has "type 0, mode 644, owner 0:0 :, time 2023-11-14 22:13:20 +0000 UTC, link " in the release and ` +
				`"type 0, mode 755, owner 0:0 :, time 2023-11-14 22:13:20 +0000 UTC, link " in the rebuild`},
		{"deep inside", inner, otherInner, "uncompressed > blob > uncompressed > b > byte 2 of 4 is 0x74 in the release and 0x78 in the rebuild"},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(compare.Bytes(c.release, c.rebuild)).To(Equal(c.want))
		})
	}
}

// TestTheWayOfPackingCounts: equal members do not make equal files.
func TestTheWayOfPackingCounts(t *testing.T) {
	pack := func(level int) []byte {
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, level)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(bytes.Repeat([]byte("quoin "), 1000))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	NewWithT(t).Expect(compare.Bytes(pack(1), pack(9))).To(HavePrefix("gzip container, with equal members > byte "))
}

// TestDamagedContainersAreBytes: what can not be opened is compared as it is.
func TestDamagedContainersAreBytes(t *testing.T) {
	g := NewWithT(t)
	g.Expect(compare.Bytes([]byte("\x1f\x8babc"), []byte("\x1f\x8babd"))).To(HavePrefix("byte 4 of 5 is"))
	rpm := []byte("\xed\xab\xee\xdb")
	g.Expect(compare.Bytes(rpm, append(rpm, 0))).To(HavePrefix("the release has 4 bytes"))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	g.Expect(w.WriteHeader(&tar.Header{Name: "a", Size: 3, Mode: 0o600})).To(Succeed())
	g.Expect(compare.Bytes(b.Bytes(), append(b.Bytes(), 1))).To(HavePrefix("the release has 512 bytes"))
}

func TestFiles(t *testing.T) {
	g := NewWithT(t)
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	g.Expect(os.WriteFile(a, []byte("x"), 0o600)).To(Succeed())
	_, err := compare.Files(a, b)
	g.Expect(err).To(MatchError(os.ErrNotExist))
}
