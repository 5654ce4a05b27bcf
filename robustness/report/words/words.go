// Package words says in a few words what was asked of a member and what it answered, for people who read many of them.
//
// Keys, values and texts are hostile: whatever is in them, one line of plain, bounded text comes out.
package words

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
)

// Bounds of what is shown.
const (
	valueBytes = 40  // of one key or value
	lineRunes  = 240 // of one request or answer
	listed     = 4   // of the parts of a list
)

// Kind is the name of a request, such as "put" or "lease grant".
func Kind(m proto.Message) string {
	switch m.(type) {
	case nil:
		return "nothing"
	case *pb.DeleteRangeRequest:
		return "delete"
	case *pb.CompactionRequest:
		return "compact"
	}
	name := string(m.ProtoReflect().Descriptor().Name())
	return split(strings.TrimSuffix(name, "Request"))
}

// split makes "lease grant" out of "LeaseGrant".
func split(name string) string {
	var b strings.Builder
	small := false
	for _, r := range name {
		if unicode.IsUpper(r) && small {
			b.WriteByte(' ')
		}
		small = !unicode.IsUpper(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Request says what is asked for: "put k=v".
func Request(m proto.Message) string { return Text(request(m), lineRunes) }

func request(m proto.Message) string {
	switch r := m.(type) {
	case nil:
		return "nothing"
	case *pb.PutRequest:
		return put(r)
	case *pb.RangeRequest:
		return get(r)
	case *pb.DeleteRangeRequest:
		return "delete " + Interval(r.Key, r.RangeEnd) + word(r.PrevKv, "with what was there")
	case *pb.TxnRequest:
		return txn(r)
	case *pb.CompactionRequest:
		return fmt.Sprintf("compact to rev %d", r.Revision) + word(r.Physical, "and wait for the files")
	case *pb.LeaseGrantRequest:
		return fmt.Sprintf("grant lease %x for %d s", r.ID, r.TTL)
	case *pb.LeaseRevokeRequest:
		return fmt.Sprintf("revoke lease %x", r.ID)
	case *pb.LeaseKeepAliveRequest:
		return fmt.Sprintf("renew lease %x", r.ID)
	case *pb.WatchCreateRequest:
		return watch(r)
	}
	return strings.TrimSpace(Kind(m) + " " + fields(m.ProtoReflect()))
}

// Response says what is answered: "rev 17".
func Response(m proto.Message) string { return Text(response(m), lineRunes) }

func response(m proto.Message) string {
	switch r := m.(type) {
	case nil:
		return "nothing"
	case *pb.PutResponse:
		return join(revision(r.Header), was(r.PrevKv))
	case *pb.RangeResponse:
		return join(found(r), revision(r.Header))
	case *pb.DeleteRangeResponse:
		return join(fmt.Sprintf("%d deleted", r.Deleted), was(r.PrevKvs...), revision(r.Header))
	case *pb.TxnResponse:
		return txnDone(r)
	case *pb.LeaseGrantResponse:
		return join(fmt.Sprintf("lease %x for %d s", r.ID, r.TTL), Text(r.Error, valueBytes), revision(r.Header))
	case *pb.LeaseKeepAliveResponse:
		if r.TTL == 0 {
			return join("the lease is gone", revision(r.Header))
		}
		return join(fmt.Sprintf("%d s", r.TTL), revision(r.Header))
	case *pb.LeaseTimeToLiveResponse:
		return timeToLive(r)
	case *pb.WatchResponse:
		return events(r)
	}
	message := m.ProtoReflect()
	return join(fields(message), revision(header(message)))
}

// Bytes shows a key or a value: as it is when it is short and plain, else quoted, and cut.
func Bytes(b []byte) string {
	cut := b
	if len(b) > valueBytes {
		cut = b[:valueBytes]
	}
	text := string(cut)
	if !plain(text) {
		text = strconv.QuoteToASCII(text)
	}
	if len(cut) < len(b) {
		text += fmt.Sprintf("…(%d bytes)", len(b))
	}
	return text
}

func plain(s string) bool {
	for _, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune("-_./:@", r) {
			return false
		}
	}
	return s != ""
}

// Text makes a text harmless for the eye: at most so many runes of valid UTF-8, with nothing in it that moves or hides others.
// Line breaks and tabs stay.
func Text(s string, runes int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > runes {
			b.WriteRune('…')
			break
		}
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}
