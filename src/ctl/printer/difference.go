package printer

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"

	"quoin.dev/api/mvccpb"
	"quoin.dev/ctl/keydiff"
)

func (n none) Difference(keydiff.Change, bool) error { return n.refuse() }

// Difference writes a line with a sign and the key, and below it the lines of the values if they are to be seen.
func (s *simple) Difference(c keydiff.Change, values bool) error {
	sign := "~ "
	switch {
	case c.Old == nil:
		sign = "+ "
	case c.New == nil:
		sign = "- "
	}
	s.out.WriteString(sign)
	s.text(c.Key())
	s.out.WriteByte('\n')
	switch {
	case !values:
	case c.Old != nil && c.New != nil && bytes.Equal(c.Old.Value, c.New.Value):
		s.out.WriteString("    written again, with the same value\n")
	default:
		s.value("  - ", c.Old)
		s.value("  + ", c.New)
	}
	return s.out.Flush()
}

// value writes the lines of a value behind a sign.
func (s *simple) value(sign string, kv *mvccpb.KeyValue) {
	if kv == nil {
		return
	}
	if s.hex || !isText(kv.Value) {
		s.out.WriteString(sign)
		s.text(kv.Value)
		s.out.WriteByte('\n')
		return
	}
	for line := range bytes.Lines(kv.Value) {
		s.out.WriteString(sign)
		s.out.Write(bytes.TrimSuffix(line, []byte("\n")))
		s.out.WriteByte('\n')
	}
}

// text writes bytes so that a terminal survives them.
func (s *simple) text(b []byte) {
	if s.hex {
		writeHex(s.out, b)
		return
	}
	s.out.WriteString(oneLine(b))
}

// oneLine is bytes as they are if they are text of one line, else quoted.
func oneLine(b []byte) string {
	if isText(b) && bytes.IndexByte(b, '\n') < 0 {
		return string(b)
	}
	return strconv.Quote(string(b))
}

func writeHex(out *bufio.Writer, b []byte) {
	for _, c := range b {
		fmt.Fprintf(out, `\x%02x`, c)
	}
}

// isText reports whether a terminal shows bytes as what they are.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return false
		}
		b = b[size:]
	}
	return true
}

// Difference names the fields of a key as those of a response; there are no values in them unless they are to be seen.
func (j *jsonFormat) Difference(c keydiff.Change, _ bool) error {
	kind := "changed"
	switch {
	case c.Old == nil:
		kind = "added"
	case c.New == nil:
		kind = "removed"
	}
	dst := fmt.Appendf(nil, `{"type":%q`, kind)
	if c.Old != nil {
		dst = appendMessage(append(dst, `,"old":`...), c.Old.ProtoReflect(), false)
	}
	if c.New != nil {
		dst = appendMessage(append(dst, `,"new":`...), c.New.ProtoReflect(), false)
	}
	return j.line(append(dst, '}'))
}
