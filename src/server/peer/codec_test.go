package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// app is an append of n entries after (index, logTerm).
func app(term, logTerm, index uint64, n int) *raftpb.Message {
	m := &raftpb.Message{
		Type: new(raftpb.MsgApp), From: new(uint64(1)), To: new(uint64(2)), Term: new(term),
		LogTerm: new(logTerm), Index: new(index), Commit: new(index),
	}
	for i := range n {
		m.Entries = append(m.Entries, &raftpb.Entry{
			Term: new(term), Index: new(index + 1 + uint64(i)), Data: bytes.Repeat([]byte{byte(i)}, i*700),
		})
	}
	return m
}

func newAppDecoder(r io.Reader) *appDecoder {
	return &appDecoder{frames: newFrameReader(r), remote: 1, local: 2}
}

func TestMsgAppStreamKeepsItsPosition(t *testing.T) {
	enc := new(appEncoder)
	steps := []struct {
		m    *raftpb.Message
		kind byte
	}{
		{app(2, 1, 3, 1), frameMessage},    // the log term differs from the term
		{app(2, 2, 4, 5), frameEntries},    // goes on
		{linkHeartbeat, frameHeartbeat},    // changes nothing
		{app(2, 2, 9, 0), frameEntries},    // an empty append that carries a commit index
		{app(2, 2, 9, 20), frameEntries},   // bytes beyond the small frames
		{app(2, 2, 12, 2), frameMessage},   // goes back
		{app(2, 2, 14, 1), frameEntries},   // goes on from there
		{app(3, 2, 15, 1), frameMessage},   // a new leader
		{app(3, 3, 16, 1), frameEntries},   //
		{app(3, 3, 100, 0), frameMessage},  // a probe
		{app(3, 3, 100, 40), frameEntries}, //
	}
	var wire []byte
	for i, s := range steps {
		at := len(wire)
		if wire = enc.encode(wire, s.m); wire[at] != s.kind {
			t.Fatalf("step %d: frame %d, want %d", i, wire[at], s.kind)
		}
	}
	for _, r := range []io.Reader{bytes.NewReader(wire), iotest.OneByteReader(bytes.NewReader(wire))} {
		dec := newAppDecoder(r)
		for i, s := range steps {
			m, err := dec.decode()
			if err != nil || !proto.Equal(m, s.m) {
				t.Fatalf("step %d: %v, error %v, want %v", i, m, err, s.m)
			}
		}
		if _, err := dec.decode(); err != io.EOF {
			t.Fatalf("after the last frame: %v", err)
		}
	}
	for cut := 0; cut < len(wire); cut += 1 + cut/100 {
		dec := newAppDecoder(bytes.NewReader(wire[:cut]))
		var err error
		for err == nil {
			_, err = dec.decode()
		}
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

func TestLengthsAreNotBelieved(t *testing.T) {
	u64 := func(kind []byte, numbers ...uint64) io.Reader {
		for _, n := range numbers {
			kind = binary.BigEndian.AppendUint64(kind, n)
		}
		return bytes.NewReader(kind)
	}
	streams := map[string]decoder{
		"message over the limit":      &messageDecoder{frames: newFrameReader(u64(nil, maxFrameBytes+1))},
		"message of 2^64-1 bytes":     &messageDecoder{frames: newFrameReader(u64(nil, math.MaxUint64))},
		"message cut at the limit":    &messageDecoder{frames: newFrameReader(u64(nil, maxFrameBytes))},
		"app message cut":             newAppDecoder(u64([]byte{frameMessage}, maxFrameBytes)),
		"2^64-1 entries":              newAppDecoder(u64([]byte{frameEntries}, math.MaxUint64)),
		"many entries, none there":    newAppDecoder(u64([]byte{frameEntries}, 1<<20)),
		"entry over the limit":        newAppDecoder(u64([]byte{frameEntries}, 1, maxFrameBytes+1)),
		"entry cut":                   newAppDecoder(u64([]byte{frameEntries}, 1, maxFrameBytes)),
		"unknown kind of frame":       newAppDecoder(u64([]byte{9}, 1)),
		"message that is no protobuf": newAppDecoder(io.MultiReader(u64([]byte{frameMessage}, 3), strings.NewReader("\xff\xff\xff"))),
	}
	for name, dec := range streams {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := dec.decode()
		runtime.ReadMemStats(&after)
		if err == nil || err == io.EOF {
			t.Errorf("%s: error %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: took %d bytes of memory", name, took)
		}
	}
}

func TestMessagesThatRaftWouldNotSurviveAreRefused(t *testing.T) {
	ok := func() *raftpb.Message {
		return &raftpb.Message{Type: new(raftpb.MsgHeartbeat), From: new(uint64(1)), To: new(uint64(2))}
	}
	if err := checkReceived(ok(), 2); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*raftpb.Message){
		"negative type":             func(m *raftpb.Message) { m.Type = new(raftpb.MessageType(-1)) },
		"type of the future":        func(m *raftpb.Message) { m.Type = new(raftpb.MsgForgetLeader + 1) },
		"local type":                func(m *raftpb.Message) { m.Type = new(raftpb.MsgHup) },
		"storage response":          func(m *raftpb.Message) { m.Type = new(raftpb.MsgStorageAppendResp) },
		"from the append thread":    func(m *raftpb.Message) { m.From = new(raft.LocalAppendThread) },
		"with responses":            func(m *raftpb.Message) { m.Responses = []*raftpb.Message{{}} },
		"for another member":        func(m *raftpb.Message) { m.To = new(uint64(3)) },
		"snapshot without database": func(m *raftpb.Message) { m.Type = new(raftpb.MsgSnap) },
		"entries with a gap": func(m *raftpb.Message) {
			m.Type, m.Entries = new(raftpb.MsgApp), []*raftpb.Entry{{Index: new(uint64(7))}}
		},
	} {
		m := ok()
		if spoil(m); checkReceived(m, 2) == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

func FuzzMessageStream(f *testing.F) {
	for _, s := range loadCapture(f).Streams {
		if s.Kind == string(streamMessage) {
			f.Add(unhex(f, s.Body)[:min(len(s.Body)/2, 600)])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dec, enc := &messageDecoder{frames: newFrameReader(bytes.NewReader(data))}, messageEncoder{}
		for {
			m, err := dec.decode()
			if err != nil {
				return
			}
			again := &messageDecoder{frames: newFrameReader(bytes.NewReader(enc.encode(nil, m)))}
			if m2, err := again.decode(); err != nil || !proto.Equal(m, m2) {
				t.Fatalf("%v became %v, error %v", m, m2, err)
			}
			_ = checkReceived(m, 2)
		}
	})
}

func FuzzMsgAppStream(f *testing.F) {
	for _, s := range loadCapture(f).Streams {
		if s.Kind == string(streamApp) {
			f.Add(unhex(f, s.Body))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dec, enc := newAppDecoder(bytes.NewReader(data)), new(appEncoder)
		var wire []byte
		var messages []*raftpb.Message
		for {
			m, err := dec.decode()
			if err != nil {
				break
			}
			wire = enc.encode(wire, m)
			messages = append(messages, m)
		}
		// Both ends stay in step even when the messages make no sense, as far as the sender believed in its own.
		dec2 := newAppDecoder(bytes.NewReader(wire))
		for i, want := range messages {
			got, err := dec2.decode()
			if err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			if got.GetIndex() != want.GetIndex() || got.GetTerm() != want.GetTerm() || len(got.Entries) != len(want.Entries) {
				t.Fatalf("message %d: %v, want %v", i, got, want)
			}
		}
	})
}
