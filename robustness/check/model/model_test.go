package model_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/check/model"
)

func registry(name string) (proto.Message, error) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	return kind.New().Interface(), nil
}

// dice draws requests about a few keys, so that they meet.
type dice struct {
	*rand.Rand
	values   int
	revision int64 // the last one that is known
}

func (d *dice) key() []byte { return fmt.Appendf(nil, "k%d", d.IntN(5)) }

func (d *dice) value() []byte {
	if d.IntN(4) == 0 {
		return []byte("same") // so that something is equal now and then
	}
	d.values++
	return fmt.Appendf(nil, "v%d", d.values)
}

func (d *dice) lease() int64 {
	if d.IntN(2) == 0 {
		return 0
	}
	return d.leaseID()
}

func (d *dice) leaseID() int64 { return int64(1 + d.IntN(3)) }
func (d *dice) bool() bool     { return d.IntN(2) == 0 }
func (d *dice) rarely() bool   { return d.IntN(8) == 0 }

func (d *dice) end() []byte {
	switch d.IntN(4) {
	case 0:
		return []byte("\x00")
	case 1:
		return d.key()
	}
	return nil
}

func (d *dice) put() *pb.PutRequest {
	r := &pb.PutRequest{Key: d.key(), Value: d.value(), Lease: d.lease(), PrevKv: d.bool()}
	if d.rarely() {
		r.IgnoreValue, r.Value = true, nil
	}
	if d.rarely() {
		r.IgnoreLease, r.Lease = true, 0
	}
	if d.IntN(40) == 0 {
		r.IgnoreValue = true
	}
	if d.IntN(60) == 0 {
		r.Key = nil
	}
	return r
}

func (d *dice) delete() *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: d.key(), RangeEnd: d.end(), PrevKv: d.bool()}
}

func (d *dice) rng() *pb.RangeRequest {
	r := &pb.RangeRequest{Key: d.key(), RangeEnd: d.end(), CountOnly: d.rarely(), KeysOnly: d.rarely()}
	if d.IntN(3) == 0 {
		r.Limit = d.Int64N(3)
	}
	if d.IntN(3) == 0 {
		r.Revision = d.revision - 6 + d.Int64N(8)
	}
	if d.IntN(3) == 0 {
		r.SortOrder = pb.RangeRequest_SortOrder(d.IntN(3))
		r.SortTarget = pb.RangeRequest_SortTarget(d.IntN(5))
	}
	if d.rarely() {
		r.MinModRevision, r.MaxCreateRevision = d.Int64N(d.revision+1), d.Int64N(d.revision+1)
	}
	if d.rarely() {
		r.MaxModRevision, r.MinCreateRevision = d.Int64N(d.revision+1), d.Int64N(d.revision+1)
	}
	if d.IntN(60) == 0 {
		r.SortTarget = 17
	}
	return r
}

func (d *dice) compare() *pb.Compare {
	c := &pb.Compare{Key: d.key(), RangeEnd: d.end(), Target: pb.Compare_CompareTarget(d.IntN(5)), Result: pb.Compare_CompareResult(d.IntN(4))}
	switch c.Target {
	case pb.Compare_VERSION:
		c.TargetUnion = &pb.Compare_Version{Version: d.Int64N(4)}
	case pb.Compare_CREATE:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: d.Int64N(2) * d.revision}
	case pb.Compare_MOD:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: max(0, d.revision-d.Int64N(5))}
	case pb.Compare_VALUE:
		c.TargetUnion = &pb.Compare_Value{Value: []byte("same")}
	case pb.Compare_LEASE:
		c.TargetUnion = &pb.Compare_Lease{Lease: d.lease()}
	}
	return c
}

func (d *dice) txn(depth int) *pb.TxnRequest {
	r := &pb.TxnRequest{}
	for range d.IntN(3) {
		r.Compare = append(r.Compare, d.compare())
	}
	for range d.IntN(3) {
		r.Success = append(r.Success, d.op(depth))
	}
	for range d.IntN(3) {
		r.Failure = append(r.Failure, d.op(depth))
	}
	return r
}

func (d *dice) op(depth int) *pb.RequestOp {
	switch n := d.IntN(6); {
	case n < 2:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: d.put()}}
	case n < 3:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: d.delete()}}
	case n < 5 || depth == 0:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: d.rng()}}
	default:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: d.txn(depth - 1)}}
	}
}

func (d *dice) request() proto.Message {
	switch n := d.IntN(40); {
	case n < 10:
		return d.put()
	case n < 13:
		return d.delete()
	case n < 20:
		return d.rng()
	case n < 32:
		return d.txn(2)
	case n < 34:
		return &pb.LeaseGrantRequest{ID: d.leaseID(), TTL: 1 + d.Int64N(10_000_000_000)}
	case n < 35:
		return &pb.LeaseRevokeRequest{ID: d.leaseID()}
	case n < 37:
		return &pb.LeaseTimeToLiveRequest{ID: d.leaseID(), Keys: d.bool()}
	case n < 38:
		return &pb.LeaseKeepAliveRequest{ID: d.leaseID()}
	default:
		return &pb.CompactionRequest{Revision: d.revision - d.Int64N(8) + 1}
	}
}

// manage draws what root asks for, and what users do.
func (d *dice) manage() (string, proto.Message) {
	user, role := fmt.Sprintf("u%d", d.IntN(3)), fmt.Sprintf("r%d", d.IntN(3))
	p := &authpb.Permission{PermType: authpb.Permission_Type(d.IntN(3)), Key: d.key(), RangeEnd: d.end()}
	asks := "root"
	if d.IntN(6) == 0 {
		asks = user
	}
	switch d.IntN(20) {
	case 0:
		return asks, &pb.AuthUserAddRequest{Name: user, Password: "p" + user}
	case 1:
		if !d.rarely() { // the token of a user who is gone is worth nothing for long
			return asks, &pb.AuthUserGetRequest{Name: user}
		}
		return asks, &pb.AuthUserDeleteRequest{Name: "nobody"}
	case 2:
		return asks, &pb.AuthRoleAddRequest{Name: role}
	case 3:
		return asks, &pb.AuthRoleDeleteRequest{Role: role}
	case 4, 5, 6:
		return asks, &pb.AuthUserGrantRoleRequest{User: user, Role: role}
	case 7:
		return asks, &pb.AuthUserRevokeRoleRequest{Name: user, Role: role}
	case 8, 9, 10, 11:
		return asks, &pb.AuthRoleGrantPermissionRequest{Name: role, Perm: p}
	case 12, 13:
		return asks, &pb.AuthRoleRevokePermissionRequest{Role: role, Key: p.Key, RangeEnd: p.RangeEnd}
	case 14:
		return asks, &pb.AuthRoleGetRequest{Role: role}
	case 15:
		return asks, &pb.AuthUserListRequest{}
	case 16:
		return asks, &pb.AuthRoleListRequest{}
	case 17:
		return "", &pb.AuthenticateRequest{Name: user, Password: "p" + user + "x"[:d.IntN(2)]}
	case 18:
		return asks, &pb.AuthRoleDeleteRequest{Role: "root"}
	default:
		return asks, &pb.AuthStatusRequest{}
	}
}

// history asks a member at random, and the model accepts every answer. It returns what was asked, with the states before.
func history(t *testing.T, requests int, next func(d *dice) (string, proto.Message), setup func(ask func(user string, r proto.Message))) ([]asked, []*model.State) {
	m := startMember(t)
	d := &dice{Rand: rand.New(rand.NewPCG(7, 11)), revision: 1}
	s := model.New()
	var all []asked
	var states []*model.State
	ask := func(user string, r proto.Message) {
		t.Helper()
		a := m.ask(user, r)
		if login, ok := a.answer.Response.(*pb.AuthenticateResponse); ok {
			m.tokens[r.(*pb.AuthenticateRequest).Name] = login.Token
		}
		after, err := s.Step(a.request, a.answer)
		if err != nil {
			t.Fatalf("request %d, %v as %q, at %v: %v", len(all), r, user, s, err)
		}
		all, states = append(all, a), append(states, s)
		s, d.revision = after, after.Revision()
	}
	if setup != nil {
		setup(ask)
	}
	for range requests {
		user, r := next(d)
		ask(user, r)
	}
	return all, states
}

// What a real member answers is accepted, and each answer is refused when one thing of it is changed.
func TestTheModelAgreesWithAMember(t *testing.T) {
	all, states := history(t, 1200, func(d *dice) (string, proto.Message) { return "", d.request() }, nil)
	refuseChanged(t, all, states)
	refusals := map[string]int{}
	for _, a := range all {
		if a.answer.Error != "" {
			refusals[a.answer.Error]++
		}
	}
	if len(refusals) < 8 {
		t.Errorf("only these errors were met: %v", refusals)
	}
}

func TestTheModelAgreesWithAMemberAboutUsers(t *testing.T) {
	setup := func(ask func(string, proto.Message)) {
		ask("", &pb.AuthEnableRequest{})
		ask("", &pb.AuthUserAddRequest{Name: "root", Password: "r"})
		ask("", &pb.AuthEnableRequest{})
		ask("", &pb.AuthRoleAddRequest{Name: "root"})
		ask("", &pb.AuthUserGrantRoleRequest{User: "root", Role: "root"})
		for i := range 3 {
			ask("", &pb.AuthUserAddRequest{Name: fmt.Sprintf("u%d", i), Password: fmt.Sprintf("pu%d", i)})
		}
		ask("", &pb.AuthEnableRequest{})
		ask("", &pb.AuthenticateRequest{Name: "root", Password: "r"})
		for i := range 3 {
			ask("", &pb.AuthenticateRequest{Name: fmt.Sprintf("u%d", i), Password: fmt.Sprintf("pu%d", i)})
		}
		ask("", &pb.PutRequest{Key: []byte("k0")})
	}
	all, states := history(t, 800, func(d *dice) (string, proto.Message) {
		if d.IntN(3) == 0 {
			return d.manage()
		}
		for {
			r := d.request()
			switch r.(type) {
			case *pb.LeaseKeepAliveRequest, *pb.LeaseTimeToLiveRequest: // not judged by who asks
			default:
				return fmt.Sprintf("u%d", d.IntN(3)), r
			}
		}
	}, setup)
	refuseChanged(t, all, states)
	denied := 0
	for _, a := range all {
		if a.answer.Error == "etcdserver: permission denied" {
			denied++
		}
	}
	if denied < 60 || denied > len(all)-60 {
		t.Errorf("%d of %d were denied", denied, len(all))
	}
}

func refuseChanged(t *testing.T, all []asked, states []*model.State) {
	t.Helper()
	wrong := 0
	for i, a := range all {
		for what, changed := range variants(a.answer) {
			if _, err := states[i].Step(a.request, changed); err == nil {
				t.Errorf("request %d, %v at %v: the answer %v is accepted with another %s: %v", i, a.request.Message, states[i], a.answer, what, changed)
				if wrong++; wrong > 5 {
					t.FailNow()
				}
			}
		}
	}
}

// variants are an answer with one thing changed each.
func variants(a model.Answer) map[string]model.Answer {
	changed := map[string]model.Answer{}
	if a.Error != "" {
		changed["error"] = model.Answer{Error: "etcdserver: another error"}
		return changed
	}
	vary(a.Response.ProtoReflect(), "", func(path string, change func(protoreflect.Message)) {
		other := proto.Clone(a.Response)
		change(other.ProtoReflect())
		changed[path] = model.Answer{Response: other}
	})
	changed["nature"] = model.Answer{Error: "etcdserver: key not found"}
	return changed
}

// unjudged are fields that no model can know, or that are looked up after the decision.
var unjudged = map[string]bool{
	"cluster_id": true, "member_id": true, "raft_term": true,
	"AuthenticateResponse.token": true, "LeaseTimeToLiveResponse.TTL": true,
}

// vary calls yield with a change for each field that is set, at every depth, and for each that is not set.
func vary(m protoreflect.Message, path string, yield func(string, func(protoreflect.Message))) {
	name := string(m.Descriptor().Name())
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		here := path + "." + string(f.Name())
		if unjudged[string(f.Name())] || unjudged[name+"."+string(f.Name())] {
			continue
		}
		if f.Name() == "header" && looksUp(name) {
			continue
		}
		switch {
		case f.IsList() && m.Get(f).List().Len() > 0:
			yield(here+" (less)", func(m protoreflect.Message) {
				l := m.Mutable(f).List()
				l.Truncate(l.Len() - 1)
			})
			if f.Kind() == protoreflect.MessageKind {
				vary(m.Get(f).List().Get(0).Message(), here, func(p string, change func(protoreflect.Message)) {
					yield(p, func(m protoreflect.Message) { change(m.Mutable(f).List().Get(0).Message()) })
				})
			}
		case f.IsList():
		case f.Kind() == protoreflect.MessageKind && m.Has(f):
			vary(m.Get(f).Message(), here, func(p string, change func(protoreflect.Message)) {
				yield(p, func(m protoreflect.Message) { change(m.Mutable(f).Message()) })
			})
		case f.Kind() == protoreflect.BytesKind && f.ContainingOneof() == nil:
			yield(here, func(m protoreflect.Message) {
				m.Set(f, protoreflect.ValueOfBytes(append([]byte{'x'}, m.Get(f).Bytes()...)))
			})
		case f.Kind() == protoreflect.Int64Kind:
			yield(here+" (more)", func(m protoreflect.Message) { m.Set(f, protoreflect.ValueOfInt64(m.Get(f).Int()+1)) })
			yield(here+" (less)", func(m protoreflect.Message) { m.Set(f, protoreflect.ValueOfInt64(m.Get(f).Int()-1)) })
		case f.Kind() == protoreflect.Uint64Kind:
			yield(here, func(m protoreflect.Message) { m.Set(f, protoreflect.ValueOfUint64(m.Get(f).Uint()+1)) })
		case f.Kind() == protoreflect.BoolKind:
			yield(here, func(m protoreflect.Message) { m.Set(f, protoreflect.ValueOfBool(!m.Get(f).Bool())) })
		case f.Kind() == protoreflect.StringKind:
			yield(here, func(m protoreflect.Message) { m.Set(f, protoreflect.ValueOfString(m.Get(f).String()+"x")) })
		}
	}
}

// looksUp: the revision in the header of these answers is that of a later moment.
func looksUp(name string) bool {
	return len(name) > 4 && name[:4] == "Auth" || name == "LeaseKeepAliveResponse" || name == "LeaseTimeToLiveResponse"
}
