package printer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// appendMessage writes a message as etcdctl does: fields in the order of their numbers under their proto names, fields
// with a zero value left out, 64-bit integers and enums as plain numbers, bytes in base64, and the set member of a
// oneof wrapped in an object named after the oneof. This is not protojson, whose integers are strings.
// With hex, the 64-bit unsigned fields that are ids become hexadecimal strings.
func appendMessage(dst []byte, m protoreflect.Message, hex bool) []byte {
	var set []protoreflect.FieldDescriptor
	m.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		set = append(set, fd)
		return true
	})
	slices.SortFunc(set, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number() - b.Number()) })

	dst = append(dst, '{')
	for i, fd := range set {
		if i > 0 {
			dst = append(dst, ',')
		}
		oneof := fd.ContainingOneof()
		if oneof != nil {
			dst = appendString(dst, oneofName(oneof))
			dst = append(dst, ':', '{')
		}
		dst = appendString(dst, string(fd.Name()))
		dst = append(dst, ':')
		dst = appendField(dst, fd, m.Get(fd), hex)
		if oneof != nil {
			dst = append(dst, '}')
		}
	}
	return append(dst, '}')
}

// oneofName is the name of the Go field that generated code gives a oneof.
func oneofName(od protoreflect.OneofDescriptor) string {
	var b strings.Builder
	for word := range strings.SplitSeq(string(od.Name()), "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

func appendField(dst []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value, hex bool) []byte {
	if !fd.IsList() {
		return appendValue(dst, fd, v, hex)
	}
	dst = append(dst, '[')
	for i := range v.List().Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, fd, v.List().Get(i), hex)
	}
	return append(dst, ']')
}

func appendValue(dst []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value, hex bool) []byte {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return appendMessage(dst, v.Message(), hex)
	case protoreflect.StringKind:
		return appendString(dst, v.String())
	case protoreflect.BytesKind:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
		return append(dst, '"')
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, v.Bool())
	case protoreflect.EnumKind:
		return strconv.AppendInt(dst, int64(v.Enum()), 10)
	case protoreflect.Uint64Kind:
		if hex && isID(fd.Name()) {
			return appendString(dst, id(v.Uint()))
		}
		return strconv.AppendUint(dst, v.Uint(), 10)
	case protoreflect.Uint32Kind:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case protoreflect.Int64Kind, protoreflect.Int32Kind:
		return strconv.AppendInt(dst, v.Int(), 10)
	default:
		panic(fmt.Sprintf("printer: field %s is of kind %s, which no etcd response has; teach appendValue about it",
			fd.FullName(), fd.Kind()))
	}
}

func isID(name protoreflect.Name) bool {
	return name == "cluster_id" || name == "member_id" || name == "ID"
}

func appendString(dst []byte, s string) []byte {
	// Marshalling a string cannot fail; invalid UTF-8 becomes the replacement character.
	b, _ := json.Marshal(s)
	return append(dst, b...)
}
