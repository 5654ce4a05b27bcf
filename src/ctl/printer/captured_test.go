package printer_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/ctl/printer"
)

// A capture is one request to a real cluster of etcd 3.7.3, repeated with each format. Where there is no protobuf
// output, the JSON is the source of the message.
type capture struct {
	Kind, Simple, JSON, Fields, Table, Protobuf string
}

func TestCapturesOfRealClusters(t *testing.T) {
	b, err := os.ReadFile("testdata/captured.json")
	if err != nil {
		t.Fatal(err)
	}
	var captures []capture
	if err := json.Unmarshal(b, &captures); err != nil {
		t.Fatal(err)
	}
	for i, c := range captures {
		t.Run(strconv.Itoa(i)+" "+c.Kind, func(t *testing.T) {
			for format, want := range map[string]string{
				"simple": c.Simple, "json": c.JSON, "fields": c.Fields, "table": c.Table,
			} {
				if want == "" && (format == "table" || format == "fields") {
					continue // this response has none
				}
				var out bytes.Buffer
				p, err := printer.New(format, &out, printer.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := c.show(t, p, want); err != nil {
					t.Fatal(err)
				}
				if out.String() != want {
					t.Errorf("%s: printed\n%s\nwant\n%s", format, out.String(), want)
				}
			}
		})
	}
}

func (c capture) show(t *testing.T, p printer.Printer, want string) error {
	t.Helper()
	switch c.Kind {
	case "range":
		var r pb.RangeResponse
		c.decode(t, &r)
		return p.Range(&r)
	case "auth":
		var r pb.AuthStatusResponse
		c.decode(t, &r)
		return p.AuthStatus(&r)
	case "user":
		var r pb.AuthUserGetResponse
		c.decode(t, &r)
		return p.UserGet("u0", &r)
	case "users":
		var r pb.AuthUserListResponse
		c.decode(t, &r)
		return p.UserList(&r)
	case "role":
		var r pb.AuthRoleGetResponse
		c.decode(t, &r)
		return p.RoleGet("r1", &r)
	case "roles":
		var r pb.AuthRoleListResponse
		c.decode(t, &r)
		return p.RoleList(&r)
	case "change":
		var r pb.AuthRoleAddResponse
		c.decode(t, &r)
		return p.Changed("Role r0 created", &r)
	case "members":
		var r pb.MemberListResponse
		c.decode(t, &r)
		if answered, known := answeredBy(want); known {
			r.Header.MemberId = answered
		}
		return p.MemberList(&r)
	case "status":
		var list []printer.Status
		for _, part := range c.parts(t) {
			list = append(list, printer.Status{Endpoint: part.Endpoint, Response: &pb.StatusResponse{}})
			part.decode(t, part.Status, list[len(list)-1].Response)
		}
		return p.Status(list)
	default:
		var list []printer.HashKV
		for _, part := range c.parts(t) {
			list = append(list, printer.HashKV{Endpoint: part.Endpoint, Response: &pb.HashKVResponse{}})
			part.decode(t, part.HashKV, list[len(list)-1].Response)
		}
		return p.HashKV(list)
	}
}

func (c capture) decode(t *testing.T, m interface{ UnmarshalVT([]byte) error }) {
	t.Helper()
	b, err := hex.DecodeString(c.Protobuf)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.UnmarshalVT(b); err != nil {
		t.Fatal(err)
	}
}

var memberID = regexp.MustCompile(`"(?:member_id"|MemberID" ):? ?:? ?(\d+)`)

// answeredBy finds the member that answered, which was another one for each repetition of the request.
func answeredBy(output string) (uint64, bool) {
	m := memberID.FindStringSubmatch(output)
	if m == nil {
		return 0, false
	}
	id, err := strconv.ParseUint(m[1], 10, 64)
	return id, err == nil
}

type endpointPart struct {
	Endpoint       string
	Status, HashKV json.RawMessage
}

func (c capture) parts(t *testing.T) []endpointPart {
	t.Helper()
	var parts []endpointPart
	if err := json.Unmarshal([]byte(c.JSON), &parts); err != nil {
		t.Fatal(err)
	}
	return parts
}

func (endpointPart) decode(t *testing.T, text json.RawMessage, m proto.Message) {
	t.Helper()
	if err := protojson.Unmarshal(text, m); err != nil {
		t.Fatal(err)
	}
}
