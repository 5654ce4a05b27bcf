package printer

import (
	"bufio"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/client"
	"quoin.dev/pkg/yamldoc"
)

// jsonFormat writes one JSON document a line, or the same as YAML; see appendMessage for how a message becomes one.
type jsonFormat struct {
	out  *bufio.Writer
	hex  bool
	yaml bool
}

func (j *jsonFormat) Put(r *pb.PutResponse) error                 { return j.message(r, false) }
func (j *jsonFormat) Range(r *pb.RangeResponse) error             { return j.message(r, false) }
func (j *jsonFormat) DeleteRange(r *pb.DeleteRangeResponse) error { return j.message(r, false) }
func (j *jsonFormat) Txn(r *pb.TxnResponse) error                 { return j.message(r, false) }

// Watch writes the fields of the client's response, which are not those of the message.
func (j *jsonFormat) Watch(r client.WatchResponse) error {
	dst := appendMessage([]byte(`{"Header":`), r.Header.ProtoReflect(), false)
	dst = append(dst, `,"Events":`...)
	dst = appendEvents(dst, r.Events)
	dst = fmt.Appendf(dst, `,"CompactRevision":%d,"Canceled":%t,"Created":%t,"CancelReason":`,
		r.CompactRevision, r.Canceled, r.Created)
	return j.line(append(appendString(dst, r.CancelReason), '}'))
}

func appendEvents(dst []byte, events []*mvccpb.Event) []byte {
	if len(events) == 0 {
		return append(dst, "null"...)
	}
	for i, ev := range events {
		if i == 0 {
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		dst = appendMessage(dst, ev.ProtoReflect(), false)
	}
	return append(dst, ']')
}

// The responses about leases are structs of the client, whose tags are the form; only Revoke is a message.
func (j *jsonFormat) Grant(r *client.LeaseGrantResponse) error         { return j.document(r) }
func (j *jsonFormat) KeepAlive(r *client.LeaseKeepAliveResponse) error { return j.document(r) }
func (j *jsonFormat) Leases(r *client.LeaseLeasesResponse) error       { return j.document(r) }
func (j *jsonFormat) TimeToLive(r *client.LeaseTimeToLiveResponse, _ bool) error {
	return j.document(r)
}
func (j *jsonFormat) Revoke(_ client.LeaseID, r *client.LeaseRevokeResponse) error {
	return j.message(r, false)
}

// The responses about members are those that --hex changes in this format: an id of a member is what the next command needs.
func (j *jsonFormat) MemberList(r *pb.MemberListResponse) error { return j.message(r, j.hex) }
func (j *jsonFormat) MemberAdd(_ string, _ []string, r *pb.MemberAddResponse) error {
	return j.message(r, j.hex)
}
func (j *jsonFormat) MemberRemove(_ uint64, r *pb.MemberRemoveResponse) error {
	return j.message(r, j.hex)
}
func (j *jsonFormat) MemberUpdate(_ uint64, r *pb.MemberUpdateResponse) error {
	return j.message(r, j.hex)
}
func (j *jsonFormat) MemberPromote(_ uint64, r *pb.MemberPromoteResponse) error {
	return j.message(r, j.hex)
}

func (j *jsonFormat) MoveLeader(_, _ uint64, r *pb.MoveLeaderResponse) error {
	return j.message(r, false)
}
func (j *jsonFormat) Alarm(r *pb.AlarmResponse) error { return j.message(r, false) }
func (j *jsonFormat) Downgrade(_ client.DowngradeAction, r *pb.DowngradeResponse) error {
	return j.message(r, false)
}

func (j *jsonFormat) Health(list []Health) error { return j.document(list) }

func (j *jsonFormat) document(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the response: %w", err)
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
	if j.yaml {
		if err := yamldoc.Write(j.out, b); err != nil {
			return fmt.Errorf("write the response as YAML: %w", err)
		}
		return j.out.Flush()
	}
	j.out.Write(b)
	j.out.WriteByte('\n')
	return j.out.Flush()
}
