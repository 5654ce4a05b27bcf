package printer

import (
	"bufio"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
)

// jsonFormat writes one JSON document a line; see appendMessage for how a message becomes one.
type jsonFormat struct {
	out *bufio.Writer
	hex bool
}

func (j *jsonFormat) Put(r *pb.PutResponse) error                 { return j.message(r, false) }
func (j *jsonFormat) Range(r *pb.RangeResponse) error             { return j.message(r, false) }
func (j *jsonFormat) DeleteRange(r *pb.DeleteRangeResponse) error { return j.message(r, false) }
func (j *jsonFormat) Txn(r *pb.TxnResponse) error                 { return j.message(r, false) }

// MemberList is the one response that --hex changes in this format: an id of a member is what the next command needs.
func (j *jsonFormat) MemberList(r *pb.MemberListResponse) error { return j.message(r, j.hex) }

func (j *jsonFormat) Health(list []Health) error {
	b, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode the health list: %w", err)
	}
	return j.line(b)
}

func (j *jsonFormat) Status(list []Status) error {
	parts := make([]endpointPart, 0, len(list))
	for _, s := range list {
		parts = append(parts, endpointPart{s.Endpoint, "Status", s.Response})
	}
	return j.endpoints(parts)
}

func (j *jsonFormat) HashKV(list []HashKV) error {
	parts := make([]endpointPart, 0, len(list))
	for _, h := range list {
		parts = append(parts, endpointPart{h.Endpoint, "HashKV", h.Response})
	}
	return j.endpoints(parts)
}

// endpointPart is one element of an array of responses: {"Endpoint":…, name: response}.
type endpointPart struct {
	endpoint, name string
	response       proto.Message
}

// endpoints writes null for an empty list, as scripts written against etcdctl expect.
func (j *jsonFormat) endpoints(parts []endpointPart) error {
	if len(parts) == 0 {
		return j.line([]byte("null"))
	}
	var dst []byte
	for i, p := range parts {
		if i == 0 {
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"Endpoint":`...)
		dst = appendString(dst, p.endpoint)
		dst = append(dst, `,"`+p.name+`":`...)
		dst = appendMessage(dst, p.response.ProtoReflect(), false)
		dst = append(dst, '}')
	}
	return j.line(append(dst, ']'))
}

func (j *jsonFormat) message(m proto.Message, hex bool) error {
	return j.line(appendMessage(nil, m.ProtoReflect(), hex))
}

func (j *jsonFormat) line(b []byte) error {
	j.out.Write(b)
	j.out.WriteByte('\n')
	return j.out.Flush()
}
