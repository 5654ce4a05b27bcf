package client_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
)

func (m *member) Snapshot(_ *pb.SnapshotRequest, s grpc.ServerStreamingServer[pb.SnapshotResponse]) error {
	if m.version == "" {
		return nil
	}
	for _, blob := range m.blobs {
		if err := s.Send(&pb.SnapshotResponse{Blob: []byte(blob), Version: m.version}); err != nil {
			return err
		}
	}
	return nil
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}

// TestSnapshotIsVerified cuts and joins the parts of a stream in many ways: what matters is that it ends with the checksum of
// all that comes before.
func TestSnapshotIsVerified(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 3000)
	for name, c := range map[string]struct {
		blobs []string
		whole bool
	}{
		"whole":                {[]string{"abc", "", "defg", sumOf("abcdefg")}, true},
		"in one":               {[]string{"abcdefg" + sumOf("abcdefg")}, true},
		"checksum in parts":    {[]string{"abcdefg" + sumOf("abcdefg")[:5], sumOf("abcdefg")[5:]}, true},
		"long":                 {[]string{long, long, sumOf(long + long)}, true},
		"nothing":              {[]string{sumOf("")}, true},
		"without checksum":     {[]string{"abc", "defg"}, false},
		"cut in the checksum":  {[]string{"abcdefg", sumOf("abcdefg")[:31]}, false},
		"a part is lost":       {[]string{long, sumOf(long + long)}, false},
		"a byte is different":  {[]string{"abcdefh", sumOf("abcdefg")}, false},
		"something behind it":  {[]string{"abcdefg", sumOf("abcdefg"), "x"}, false},
		"parts change places":  {[]string{"defg", "abc", sumOf("abcdefg")}, false},
		"checksum comes first": {[]string{sumOf("abcdefg"), "abcdefg"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cl := open(t, client.Config{}, start(t, &member{version: "3.7.0", blobs: c.blobs}, listen(t)))
			r, err := cl.Maintenance.Snapshot(within(t))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			data, err := io.ReadAll(r)
			if string(data) != strings.Join(c.blobs, "") {
				t.Errorf("read %d bytes", len(data))
			}
			if c.whole != (err == nil) || (err != nil && !errors.Is(err, client.ErrSnapshotDamaged)) {
				t.Errorf("whole %v, error %v", c.whole, err)
			}
		})
	}
}

func TestSnapshot(t *testing.T) {
	c := open(t, client.Config{}, start(t, &member{version: "3.7.0", blobs: []string{"abc", "", "defg", sumOf("abcdefg")}}, listen(t)))
	resp, err := c.SnapshotWithVersion(within(t))
	if err != nil || resp.Version != "3.7.0" {
		t.Fatalf("%+v, %v", resp, err)
	}
	data, err := io.ReadAll(resp.Snapshot)
	if err != nil || string(data) != "abcdefg"+sumOf("abcdefg") {
		t.Errorf("read %q, %v", data, err)
	}
	r, err := c.Maintenance.Snapshot(within(t))
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := io.ReadAll(r); err != nil && !client.IsConnCanceled(err) {
		t.Errorf("after Close: %v", err)
	}
	empty := open(t, client.Config{}, start(t, &member{}, listen(t)))
	if _, err := empty.SnapshotWithVersion(within(t)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an empty stream: %v", err)
	}
}
