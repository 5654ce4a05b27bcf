package peer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/api/raftwire"
)

// capture is traffic that was recorded between three etcd 3.7.3 members.
type capture struct {
	Streams []struct {
		Kind, Reader, Writer string
		Body                 string
		Cut                  bool // the recording ends in the middle of the stream
	}
	Posts []struct {
		To      string
		Headers map[string]string
		Body    string
	}
}

func loadCapture(t testing.TB) capture {
	t.Helper()
	data, err := os.ReadFile("testdata/capture.json")
	if err != nil {
		t.Fatal(err)
	}
	var c capture
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustID(t testing.TB, s string) uint64 {
	t.Helper()
	id, err := parseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCapturedStreamsDecodeAndEncodeToTheSameBytes(t *testing.T) {
	seen := map[byte]int{}
	for _, s := range loadCapture(t).Streams {
		body := unhex(t, s.Body)
		frames := newFrameReader(bytes.NewReader(body))
		var dec decoder = &messageDecoder{frames: frames}
		var enc encoder = messageEncoder{}
		if s.Kind == string(streamApp) {
			dec = &appDecoder{frames: frames, local: mustID(t, s.Reader), remote: mustID(t, s.Writer)}
			enc = new(appEncoder)
		}
		var again []byte
		for {
			m, err := dec.decode()
			if err != nil {
				if !errors.Is(err, io.EOF) && !s.Cut {
					t.Fatalf("%s stream: %v", s.Kind, err)
				}
				break
			}
			if !isLinkHeartbeat(m) {
				if err := checkReceived(m, mustID(t, s.Reader)); err != nil {
					t.Fatalf("%s stream: %v", s.Kind, err)
				}
				if m.GetFrom() != mustID(t, s.Writer) {
					t.Fatalf("%s stream: message from %x", s.Kind, m.GetFrom())
				}
			}
			at := len(again)
			again = enc.encode(again, m)
			if s.Kind == string(streamApp) {
				seen[again[at]]++
			}
		}
		if !bytes.HasPrefix(body, again) || len(again) < len(body) && !s.Cut {
			t.Fatalf("%s stream of %d bytes encodes again to %d bytes:\n%x", s.Kind, len(body), len(again), again)
		}
		if s.Cut && len(body)-len(again) > 4096 {
			t.Fatalf("%s stream: only %d of %d bytes understood", s.Kind, len(again), len(body))
		}
	}
	if seen[frameHeartbeat] == 0 || seen[frameEntries] == 0 || seen[frameMessage] == 0 {
		t.Fatalf("the recording should have every kind of msgapp frame, it has %v", seen)
	}
}

func TestCapturedPostsDecodeAndEncodeToTheSameBytes(t *testing.T) {
	posts := loadCapture(t).Posts
	if len(posts) == 0 {
		t.Fatal("the recording has no posts")
	}
	for _, p := range posts {
		m, body := new(raftpb.Message), unhex(t, p.Body)
		if err := raftwire.UnmarshalMessage(body, m); err != nil {
			t.Fatal(err)
		}
		if err := checkReceived(m, mustID(t, p.To)); err != nil {
			t.Fatal(err)
		}
		if again := raftwire.AppendMessage(nil, m); !bytes.Equal(again, body) {
			t.Fatalf("%x encodes again to %x", body, again)
		}
		id := &identity{cluster: mustID(t, p.Headers["X-Etcd-Cluster-Id"]), version: oldVersion, min: oldVersion}
		id.version.Major = 3
		if err := id.check(httpHeader(p.Headers)); err != nil {
			t.Fatalf("recorded headers %v: %v", p.Headers, err)
		}
	}
}
