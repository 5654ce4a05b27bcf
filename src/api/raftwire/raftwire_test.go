package raftwire_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/api/raftwire"
)

// protobuf itself is the slow twin of every function of the package.
var (
	marshal   = proto.MarshalOptions{Deterministic: true}
	unmarshal = proto.UnmarshalOptions{DiscardUnknown: true}
)

// maybe returns nil or a pointer to an interesting number.
func maybe(r *rand.Rand) *uint64 {
	values := []uint64{0, 1, 127, 128, 16383, 16384, math.MaxUint32, math.MaxUint64 - 1, math.MaxUint64}
	switch r.IntN(3) {
	case 0:
		return nil
	case 1:
		return new(values[r.IntN(len(values))])
	default:
		return new(r.Uint64() >> r.IntN(64))
	}
}

// someBytes returns nil, empty or random bytes.
func someBytes(r *rand.Rand) []byte {
	switch r.IntN(4) {
	case 0:
		return nil
	case 1:
		return []byte{}
	default:
		b := make([]byte, r.IntN(300))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
}

func randomEntry(r *rand.Rand) *raftpb.Entry {
	e := &raftpb.Entry{Term: maybe(r), Index: maybe(r), Data: someBytes(r)}
	if r.IntN(2) == 0 {
		e.Type = new(raftpb.EntryType(r.IntN(5) - 1))
	}
	return e
}

func randomSnapshot(r *rand.Rand) *raftpb.Snapshot {
	s := &raftpb.Snapshot{Data: someBytes(r)}
	if r.IntN(3) > 0 {
		s.Metadata = &raftpb.SnapshotMetadata{Index: maybe(r), Term: maybe(r)}
	}
	if s.Metadata != nil && r.IntN(3) > 0 {
		s.Metadata.ConfState = &raftpb.ConfState{
			Voters: []uint64{r.Uint64(), 0, r.Uint64()}, Learners: []uint64{7}, AutoLeave: new(r.IntN(2) == 0),
		}
	}
	return s
}

func randomMessage(r *rand.Rand, depth int) *raftpb.Message {
	m := &raftpb.Message{
		To: maybe(r), From: maybe(r), Term: maybe(r), LogTerm: maybe(r), Index: maybe(r), Commit: maybe(r),
		Vote: maybe(r), RejectHint: maybe(r), Context: someBytes(r),
	}
	if r.IntN(4) > 0 {
		m.Type = new(raftpb.MessageType(r.IntN(26) - 1))
	}
	if r.IntN(3) == 0 {
		m.Reject = new(r.IntN(2) == 0)
	}
	for range r.IntN(4) * r.IntN(60) {
		m.Entries = append(m.Entries, randomEntry(r))
	}
	if r.IntN(4) == 0 {
		m.Snapshot = randomSnapshot(r)
	}
	for range r.IntN(3) * min(depth, 1) {
		m.Responses = append(m.Responses, randomMessage(r, depth-1))
	}
	return m
}

func TestEntryEqualsProtobuf(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		e := randomEntry(r)
		want, err := marshal.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := raftwire.AppendEntry([]byte("x"), e); !bytes.Equal(got[1:], want) || raftwire.SizeEntry(e) != len(want) {
			t.Fatalf("entry %v: encoded %x (size %d), protobuf gives %x", e, got[1:], raftwire.SizeEntry(e), want)
		}
		back := randomEntry(r)
		if err := raftwire.UnmarshalEntry(want, back); err != nil || !proto.Equal(back, e) {
			t.Fatalf("entry %v: decoded %v, error %v", e, back, err)
		}
	}
}

func TestMessageEqualsProtobuf(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1500 {
		m := randomMessage(r, 2)
		want, err := marshal.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := raftwire.AppendMessage([]byte("x"), m); !bytes.Equal(got[1:], want) || raftwire.SizeMessage(m) != len(want) {
			t.Fatalf("message %v: encoded %x (size %d), protobuf gives %x", m, got[1:], raftwire.SizeMessage(m), want)
		}
		back := randomMessage(r, 1)
		if err := raftwire.UnmarshalMessage(want, back); err != nil || !proto.Equal(back, m) {
			t.Fatalf("message %v: decoded %v, error %v", m, back, err)
		}
	}
}

func TestEveryTruncationIsJudgedAsProtobufJudgesIt(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 40 {
		data, _ := marshal.Marshal(randomMessage(r, 1))
		for cut := range min(len(data), 600) {
			compareMessage(t, data[:cut])
		}
	}
}

func TestPresentEmptyDataStaysPresent(t *testing.T) {
	e := new(raftpb.Entry)
	if err := raftwire.UnmarshalEntry([]byte{4<<3 | 2, 0}, e); err != nil || e.Data == nil || len(e.Data) != 0 {
		t.Fatalf("data %v, error %v: want present and empty", e.Data, err)
	}
}

func TestDecodedDataCannotGrowIntoItsNeighbour(t *testing.T) {
	m := &raftpb.Message{Entries: []*raftpb.Entry{{Data: []byte("aa")}, {Data: []byte("bb")}}}
	back := new(raftpb.Message)
	if err := raftwire.UnmarshalMessage(raftwire.AppendMessage(nil, m), back); err != nil {
		t.Fatal(err)
	}
	_ = append(back.Entries[0].Data, "overflow"...)
	if got := string(back.Entries[1].Data); got != "bb" {
		t.Fatalf("second entry became %q", got)
	}
}

func TestTooManyEntriesAndTooDeepAreRefused(t *testing.T) {
	many := bytes.Repeat([]byte{7<<3 | 2, 0}, raftwire.MaxEntries+1)
	if err := raftwire.UnmarshalMessage(many, new(raftpb.Message)); !errors.Is(err, raftwire.ErrMalformed) {
		t.Fatalf("%d entries: %v", raftwire.MaxEntries+1, err)
	}
	var deep []byte
	for range 1000 {
		deep = append(protowire.AppendVarint([]byte{14<<3 | 2}, uint64(len(deep))), deep...)
	}
	if err := raftwire.UnmarshalMessage(deep, new(raftpb.Message)); !errors.Is(err, raftwire.ErrMalformed) {
		t.Fatalf("1000 nested responses: %v", err)
	}
}

func TestSlabTrustsNoCount(t *testing.T) {
	var slab raftwire.EntrySlab
	data := raftwire.AppendEntry(nil, &raftpb.Entry{Index: new(uint64(9)), Data: []byte("v")})
	for _, expect := range []uint64{0, 1, math.MaxUint64} {
		e, err := slab.Decode(data, expect)
		if err != nil || e.GetIndex() != 9 || string(e.Data) != "v" {
			t.Fatalf("expect %d: %v, error %v", expect, e, err)
		}
	}
}

// compareMessage holds decoder and encoder to protobuf's for any bytes.
func compareMessage(t *testing.T, data []byte) {
	t.Helper()
	want, got := new(raftpb.Message), new(raftpb.Message)
	wantErr := unmarshal.Unmarshal(data, want)
	err := raftwire.UnmarshalMessage(data, got)
	if err != nil && wantErr == nil && isOurLimit(err) {
		return
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: error %v, protobuf says %v", data, err, wantErr)
	}
	if err != nil {
		if !errors.Is(err, raftwire.ErrMalformed) {
			t.Fatalf("error %v does not wrap ErrMalformed", err)
		}
		return
	}
	if !proto.Equal(got, want) {
		t.Fatalf("%x: decoded %v, protobuf gives %v", data, got, want)
	}
	again, _ := marshal.Marshal(want)
	if enc := raftwire.AppendMessage(nil, got); !bytes.Equal(enc, again) || raftwire.SizeMessage(got) != len(again) {
		t.Fatalf("%x: encoded %x, protobuf gives %x", data, enc, again)
	}
}

// isOurLimit says that the decoder refused what protobuf takes, because of the limits that only we have.
func isOurLimit(err error) bool {
	return bytes.Contains([]byte(err.Error()), []byte("nest deeper")) ||
		bytes.Contains([]byte(err.Error()), []byte("entries in one message"))
}

func FuzzMessage(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 30 {
		data, _ := marshal.Marshal(randomMessage(r, 2))
		f.Add(data)
	}
	f.Add([]byte{0x78, 0x78})
	f.Add([]byte{14<<3 | 2, 2, 14<<3 | 2, 0})
	f.Fuzz(func(t *testing.T, data []byte) { compareMessage(t, data) })
}

func FuzzEntry(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 30 {
		data, _ := marshal.Marshal(randomEntry(r))
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, got := new(raftpb.Entry), new(raftpb.Entry)
		wantErr := unmarshal.Unmarshal(data, want)
		if err := raftwire.UnmarshalEntry(data, got); (err == nil) != (wantErr == nil) {
			t.Fatalf("%x: error %v, protobuf says %v", data, err, wantErr)
		}
		if wantErr != nil {
			return
		}
		again, _ := marshal.Marshal(want)
		if enc := raftwire.AppendEntry(nil, got); !proto.Equal(got, want) || !bytes.Equal(enc, again) {
			t.Fatalf("%x: decoded %v, protobuf gives %v", data, got, want)
		}
	})
}

func benchMessage() *raftpb.Message {
	m := &raftpb.Message{
		Type: new(raftpb.MsgApp), To: new(uint64(1) << 63), From: new(uint64(1) << 62), Term: new(uint64(5)),
		LogTerm: new(uint64(5)), Index: new(uint64(1000)), Commit: new(uint64(990)),
	}
	for i := range 64 {
		m.Entries = append(m.Entries, &raftpb.Entry{Term: m.Term, Index: new(uint64(1001 + i)), Data: make([]byte, 300)})
	}
	return m
}

func BenchmarkAppendMessage(b *testing.B) {
	m, buf := benchMessage(), []byte(nil)
	for b.Loop() {
		buf = raftwire.AppendMessage(buf[:0], m)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkUnmarshalMessage(b *testing.B) {
	data := raftwire.AppendMessage(nil, benchMessage())
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := raftwire.UnmarshalMessage(data, new(raftpb.Message)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProtoUnmarshalMessage(b *testing.B) {
	data := raftwire.AppendMessage(nil, benchMessage())
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := proto.Unmarshal(data, new(raftpb.Message)); err != nil {
			b.Fatal(err)
		}
	}
}
