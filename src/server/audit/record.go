package audit

import (
	"encoding/json"
	"time"
	"unicode/utf8"
)

// Outcomes of a request.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Failed  = "failed"
)

// Bounds of a line.
const (
	maxTargets   = 16
	maxKeyBytes  = 128
	maxNameBytes = 256
)

// timeLayout is RFC 3339 with microseconds.
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// Record is one request and what became of it.
type Record struct {
	Time        time.Time
	User        string
	Address     string
	Forwarded   string
	Certificate string
	Method      string
	Targets     []Target
	More        int // targets that are left out
	Outcome     string
	Code        string
	Reason      string
	Revision    int64
}

// Target is something that a request is about.
type Target struct {
	Op       string
	Key, End []byte
	User     string
	Role     string
	Lease    int64
	Member   uint64
}

// line is a record as it is written.
type line struct {
	Time        string       `json:"time"`
	User        string       `json:"user,omitempty"`
	Address     string       `json:"address,omitempty"`
	Forwarded   string       `json:"forwarded,omitempty"`
	Certificate string       `json:"certificate,omitempty"`
	Method      string       `json:"method"`
	Targets     []targetLine `json:"targets,omitempty"`
	More        int          `json:"more,omitempty"`
	Outcome     string       `json:"outcome"`
	Code        string       `json:"code,omitempty"`
	Reason      string       `json:"reason,omitempty"`
	Revision    int64        `json:"revision,omitempty"`
}

type targetLine struct {
	Op        string `json:"op"`
	Key       string `json:"key,omitempty"`
	KeyBase64 []byte `json:"key_base64,omitempty"`
	KeyBytes  int    `json:"key_bytes,omitempty"` // of a key that was cut
	End       string `json:"range_end,omitempty"`
	EndBase64 []byte `json:"range_end_base64,omitempty"`
	EndBytes  int    `json:"range_end_bytes,omitempty"`
	User      string `json:"user,omitempty"`
	Role      string `json:"role,omitempty"`
	Lease     int64  `json:"lease,omitempty"`
	Member    uint64 `json:"member,omitempty"`
}

// encode makes the line of a record.
func (r *Record) encode() ([]byte, error) {
	l := line{
		Time: r.Time.UTC().Format(timeLayout), User: cut(r.User), Address: r.Address, Forwarded: cut(r.Forwarded),
		Certificate: cut(r.Certificate), Method: cut(r.Method), More: r.More, Outcome: r.Outcome, Code: r.Code, Reason: cut(r.Reason), Revision: r.Revision,
	}
	for _, t := range r.Targets {
		o := targetLine{Op: t.Op, User: cut(t.User), Role: cut(t.Role), Lease: t.Lease, Member: t.Member}
		o.Key, o.KeyBase64, o.KeyBytes = shown(t.Key)
		o.End, o.EndBase64, o.EndBytes = shown(t.End)
		l.Targets = append(l.Targets, o)
	}
	text, err := json.Marshal(l)
	return append(text, '\n'), err
}

// shown is a key as text or bytes, with its length if only the beginning is shown.
func shown(key []byte) (text string, raw []byte, length int) {
	if len(key) > maxKeyBytes {
		length = len(key)
		key = key[:maxKeyBytes]
	}
	if head := whole(key); utf8.Valid(head) && (length > 0 || len(head) == len(key)) {
		return string(head), nil, length
	}
	return "", key, length
}

// whole drops a character at the end that was cut.
func whole(text []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-i:]) {
				return text[:len(text)-i]
			}
			break
		}
	}
	return text
}

func cut(text string) string {
	if len(text) <= maxNameBytes {
		return text
	}
	return string(whole([]byte(text[:maxNameBytes])))
}
