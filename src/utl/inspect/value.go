// Package inspect renders what is in the files of a member for people and scripts: rows, log entries, snapshots.
package inspect

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Pair is a value with its name.
type Pair struct {
	Name  string
	Value any // Pairs, a list of them, or something plain
}

// Pairs is an object whose members have an order: `name=value …` as text, and an object in JSON.
type Pairs []Pair

func (p Pairs) String() string {
	var b strings.Builder
	for i, pair := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(pair.Name)
		b.WriteByte('=')
		b.WriteString(text(pair.Value))
	}
	return b.String()
}

func text(v any) string {
	switch v := v.(type) {
	case Pairs:
		return "{" + v.String() + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, text(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case string:
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == 0x7f }) {
			return strconv.Quote(v)
		}
		return v
	}
	return fmt.Sprint(v)
}

// MarshalJSON keeps the order.
func (p Pairs) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, pair := range p {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(pair.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(pair.Value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// Style says how values are rendered.
type Style struct {
	// ValueBytes bounds what is shown of keys and values. 0 shows all.
	ValueBytes int
}

// bytes renders a key or a value: as text if it is some, else in hexadecimal, and cut to the bound.
func (s Style) bytes(b []byte) string {
	cut := b
	if s.ValueBytes > 0 && len(b) > s.ValueBytes {
		cut = b[:s.ValueBytes]
		for len(cut) > 0 && !utf8.Valid(cut) && utf8.Valid(b) {
			cut = cut[:len(cut)-1] // not in the middle of a character
		}
	}
	out := ""
	if utf8.Valid(cut) {
		out = string(cut)
	} else {
		out = fmt.Sprintf("0x%x", cut)
	}
	if len(cut) < len(b) {
		out += fmt.Sprintf("… (%d bytes)", len(b))
	}
	return out
}

// secret names the fields whose content is for nobody's eyes.
var secret = map[protoreflect.Name]bool{"password": true, "hashedPassword": true, "simple_token": true}

// message renders the fields of a message that are set, in the order of their numbers.
func (s Style) message(m proto.Message) Pairs {
	var out Pairs
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !r.Has(field) {
			continue
		}
		name := string(field.Name())
		if secret[field.Name()] {
			out = append(out, Pair{name, "(not shown)"})
			continue
		}
		if value := r.Get(field); field.IsList() {
			list := []any{}
			for i := range value.List().Len() {
				list = append(list, s.value(field, value.List().Get(i)))
			}
			out = append(out, Pair{name, list})
		} else {
			out = append(out, Pair{name, s.value(field, value)})
		}
	}
	if n := len(r.GetUnknown()); n > 0 {
		out = append(out, Pair{"unknownBytes", n})
	}
	return out
}

func (s Style) value(field protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return s.message(v.Message().Interface())
	case protoreflect.BytesKind:
		return s.bytes(v.Bytes())
	case protoreflect.EnumKind:
		if known := field.Enum().Values().ByNumber(v.Enum()); known != nil {
			return string(known.Name())
		}
		return int32(v.Enum())
	}
	return v.Interface()
}
