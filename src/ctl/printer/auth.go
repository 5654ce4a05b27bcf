package printer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/ctl/permission"
)

// Change is the answer to a change of users, roles or permissions, which tells no more than that it was made.
type Change interface {
	proto.Message
	marshaler
	GetHeader() *pb.ResponseHeader
}

// Verdict tells whether a user may do something, and why.
type Verdict struct {
	permission.Verdict
	User   string
	Roles  []string // of the user
	Action string
	// Access is what a permission has to allow for the action.
	Access        client.PermissionType
	Key, RangeEnd []byte
	// AuthEnabled says whether members ask for permissions at all.
	AuthEnabled bool
}

// Changed writes the sentence where the answers of others are written for people.
func (s *simple) Changed(sentence string, _ Change) error {
	fmt.Fprintln(s.out, sentence)
	return s.out.Flush()
}

func (s *simple) AuthStatus(r *pb.AuthStatusResponse) error {
	fmt.Fprintf(s.out, "Authentication Status: %t\nAuthRevision: %d\n", r.GetEnabled(), r.GetAuthRevision())
	return s.out.Flush()
}

func (s *simple) UserGet(name string, r *pb.AuthUserGetResponse) error {
	fmt.Fprintf(s.out, "User: %s\nRoles:", name)
	for _, role := range r.GetRoles() {
		fmt.Fprintf(s.out, " %s", role)
	}
	s.out.WriteByte('\n')
	return s.out.Flush()
}

func (s *simple) UserList(r *pb.AuthUserListResponse) error { return s.lines(r.GetUsers()) }
func (s *simple) RoleList(r *pb.AuthRoleListResponse) error { return s.lines(r.GetRoles()) }

func (s *simple) lines(names []string) error {
	for _, name := range names {
		fmt.Fprintln(s.out, name)
	}
	return s.out.Flush()
}

func (s *simple) RoleGet(role string, r *pb.AuthRoleGetResponse) error {
	fmt.Fprintf(s.out, "Role %s\n", role)
	for _, part := range []struct {
		title string
		kind  client.PermissionType
	}{{"KV Read:", client.PermRead}, {"KV Write:", client.PermWrite}} {
		fmt.Fprintln(s.out, part.title)
		for _, p := range r.GetPerm() {
			if p.GetPermType() == part.kind || p.GetPermType() == client.PermReadWrite {
				fmt.Fprintf(s.out, "\t%s\n", interval(p.GetKey(), p.GetRangeEnd(), asIs))
			}
		}
	}
	return s.out.Flush()
}

func (s *simple) Verdict(v Verdict) error {
	may := "may"
	if !v.Granted {
		may = "may not"
	}
	fmt.Fprintf(s.out, "%s %s %s %s\n", v.User, may, v.Action, interval(v.Key, v.RangeEnd, oneLine))
	for _, g := range v.By {
		fmt.Fprintf(s.out, "\trole %s has %s on %s\n", g.Role, g.Permission.GetPermType(),
			interval(g.Permission.GetKey(), g.Permission.GetRangeEnd(), oneLine))
	}
	switch {
	case v.Granted:
	case len(v.Roles) == 0:
		s.out.WriteString("\tthe user has no roles\n")
	case len(v.RangeEnd) > 0:
		fmt.Fprintf(s.out, "\tnone of the roles %s has %s from %s on\n", strings.Join(v.Roles, ", "), v.Access, oneLine(v.Missing))
	default:
		fmt.Fprintf(s.out, "\tnone of the roles %s has %s on %s\n", strings.Join(v.Roles, ", "), v.Access, oneLine(v.Missing))
	}
	if !v.AuthEnabled {
		s.out.WriteString("\tauth is not enabled: until it is, everybody may do everything\n")
	}
	return s.out.Flush()
}

// interval is how people read the keys from one on: the key alone, or up to but without another one.
func interval(key, end []byte, show func([]byte) string) string {
	prefix := ""
	if len(key) > 0 && client.GetPrefixRangeEnd(string(key)) == string(end) {
		prefix = fmt.Sprintf(" (prefix %s)", show(key))
	}
	switch {
	case len(end) == 0:
		return show(key)
	case bytes.Equal(end, []byte{0}):
		return fmt.Sprintf("[%s, <open ended>%s", show(key), prefix)
	default:
		return fmt.Sprintf("[%s, %s)%s", show(key), show(end), prefix)
	}
}

// asIs is how etcdctl shows keys.
func asIs(key []byte) string { return string(key) }

func (f *fields) Changed(_ string, r Change) error {
	f.header(r.GetHeader())
	return f.out.Flush()
}

func (f *fields) RoleGet(_ string, r *pb.AuthRoleGetResponse) error {
	f.header(r.GetHeader())
	for _, p := range r.GetPerm() {
		f.line("PermType", " "+p.GetPermType().String()) // the second space is one of etcdctl
		f.quoted("Key", string(p.GetKey()))
		f.quoted("RangeEnd", string(p.GetRangeEnd()))
	}
	return f.out.Flush()
}

func (f *fields) RoleList(r *pb.AuthRoleListResponse) error {
	f.header(r.GetHeader())
	fmt.Fprintf(f.out, "%q :", "Roles")
	for _, role := range r.GetRoles() {
		fmt.Fprintf(f.out, " %q", role)
	}
	f.out.WriteByte('\n')
	return f.out.Flush()
}

func (j *jsonFormat) Changed(_ string, r Change) error                  { return j.message(r, false) }
func (j *jsonFormat) AuthStatus(r *pb.AuthStatusResponse) error         { return j.message(r, false) }
func (j *jsonFormat) UserGet(_ string, r *pb.AuthUserGetResponse) error { return j.message(r, false) }
func (j *jsonFormat) UserList(r *pb.AuthUserListResponse) error         { return j.message(r, false) }
func (j *jsonFormat) RoleGet(_ string, r *pb.AuthRoleGetResponse) error { return j.message(r, false) }
func (j *jsonFormat) RoleList(r *pb.AuthRoleListResponse) error         { return j.message(r, false) }

// Verdict gives each permission the form that it has in the answer about a role.
func (j *jsonFormat) Verdict(v Verdict) error {
	type grant struct {
		Role       string          `json:"role"`
		Permission json.RawMessage `json:"perm"`
	}
	by := []grant{}
	for _, g := range v.By {
		by = append(by, grant{g.Role, appendMessage(nil, g.Permission.ProtoReflect(), false)})
	}
	return j.document(struct {
		User     string   `json:"user"`
		Roles    []string `json:"roles"`
		Action   string   `json:"action"`
		Key      []byte   `json:"key"`
		RangeEnd []byte   `json:"range_end,omitempty"`
		Granted  bool     `json:"granted"`
		By       []grant  `json:"by"`
		Missing  []byte   `json:"missing,omitempty"`
		Enabled  bool     `json:"authEnabled"`
	}{v.User, append([]string{}, v.Roles...), v.Action, v.Key, v.RangeEnd, v.Granted, by, v.Missing, v.AuthEnabled})
}

func (p *protobuf) Changed(_ string, r Change) error                  { return p.write(r) }
func (p *protobuf) AuthStatus(r *pb.AuthStatusResponse) error         { return p.write(r) }
func (p *protobuf) UserGet(_ string, r *pb.AuthUserGetResponse) error { return p.write(r) }
func (p *protobuf) UserList(r *pb.AuthUserListResponse) error         { return p.write(r) }
func (p *protobuf) RoleGet(_ string, r *pb.AuthRoleGetResponse) error { return p.write(r) }
func (p *protobuf) RoleList(r *pb.AuthRoleListResponse) error         { return p.write(r) }

func (n none) Changed(string, Change) error                  { return n.refuse() }
func (n none) AuthStatus(*pb.AuthStatusResponse) error       { return n.refuse() }
func (n none) UserGet(string, *pb.AuthUserGetResponse) error { return n.refuse() }
func (n none) UserList(*pb.AuthUserListResponse) error       { return n.refuse() }
func (n none) RoleGet(string, *pb.AuthRoleGetResponse) error { return n.refuse() }
func (n none) RoleList(*pb.AuthRoleListResponse) error       { return n.refuse() }
func (n none) Verdict(Verdict) error                         { return n.refuse() }
