package words

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "quoin.dev/api/etcdserverpb"
)

// fields shows what is set in a message that has no words of its own. Headers are shown elsewhere, secrets never.
func fields(m protoreflect.Message) string {
	if !m.IsValid() {
		return ""
	}
	var texts []string
	list := m.Descriptor().Fields()
	for i := range list.Len() {
		f := list.Get(i)
		name := strings.ToLower(string(f.Name()))
		if !m.Has(f) || name == "header" || strings.Contains(name, "password") || name == "token" {
			continue
		}
		texts = append(texts, name+"="+value(f, m.Get(f)))
	}
	return strings.Join(texts, " ")
}

func value(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case f.IsMap():
		return fmt.Sprintf("(%d entries)", v.Map().Len())
	case f.IsList():
		return several(f, v.List())
	}
	return single(f, v)
}

func several(f protoreflect.FieldDescriptor, l protoreflect.List) string {
	var texts []string
	for i := range min(l.Len(), listed) {
		texts = append(texts, single(f, l.Get(i)))
	}
	if l.Len() > listed {
		texts = append(texts, fmt.Sprintf("%d more", l.Len()-listed))
	}
	return "[" + strings.Join(texts, " ") + "]"
}

func single(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.BytesKind:
		return Bytes(v.Bytes())
	case protoreflect.StringKind:
		return Bytes([]byte(v.String()))
	case protoreflect.MessageKind:
		return "{" + fields(v.Message()) + "}"
	case protoreflect.EnumKind:
		if name := f.Enum().Values().ByNumber(v.Enum()); name != nil {
			return strings.ToLower(string(name.Name()))
		}
	}
	return v.String()
}

// header is that of an answer, nil if it has none.
func header(m protoreflect.Message) *pb.ResponseHeader {
	f := m.Descriptor().Fields().ByName("header")
	if f == nil || f.Kind() != protoreflect.MessageKind || !m.Has(f) {
		return nil
	}
	h, _ := m.Get(f).Message().Interface().(*pb.ResponseHeader)
	return h
}

// revision is the head that a member told with its answer.
func revision(h *pb.ResponseHeader) string { return number("rev %d", h.GetRevision()) }

// number is nothing for 0.
func number(format string, n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}

// word is nothing if it does not hold.
func word(holds bool, text string) string {
	if !holds {
		return ""
	}
	return " " + text
}

// join puts commas between what there is.
func join(parts ...string) string {
	there := parts[:0]
	for _, p := range parts {
		if p != "" {
			there = append(there, p)
		}
	}
	if len(there) == 0 {
		return "done"
	}
	return strings.Join(there, ", ")
}
