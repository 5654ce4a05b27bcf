package model

import (
	"fmt"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
)

// outcome is what a request comes to.
type outcome struct {
	next     *State
	response proto.Message
	refusal  string // message of the error, empty for none
}

// refused is an outcome that changes nothing.
func (s *State) refused(why error) outcome { return outcome{next: s, refusal: text(why)} }

// Step is the state after a request, if the answer can be right; else the error says what was expected and what was found.
func (s *State) Step(r Request, a Answer) (*State, error) {
	first := s.run(r, a)
	err := judge(first, a)
	if err == nil {
		return first.next, nil
	}
	// A lease without keys ends without a sign. So it may have ended before, if its time was over.
	if without := s.expiring(r); without != nil {
		if second := without.run(r, a); judge(second, a) == nil {
			return second.next, nil
		}
	}
	return nil, err
}

// Do is the state after a request of which no answer is known, and what must have been answered: a message, or an error.
func (s *State) Do(r Request) (next *State, response proto.Message, refusal string) {
	o := s.run(r, Answer{None: true})
	return o.next, o.response, o.refusal
}

// run does what is asked for. What the member may choose is taken from the answer where it is a choice that it has.
func (s *State) run(r Request, a Answer) outcome {
	if m, ok := r.Message.(proto.Message); ok {
		if err := validate(m); err != nil {
			return s.refused(err)
		}
		if err := s.permit(r.User, m); err != nil {
			return s.refused(err)
		}
	}
	switch m := r.Message.(type) {
	case *pb.RangeRequest:
		return s.plainRange(m, a)
	case *pb.PutRequest:
		return s.put(m, a)
	case *pb.DeleteRangeRequest:
		return s.delete(m, a)
	case *pb.TxnRequest:
		return s.txn(m, a)
	case *pb.CompactionRequest:
		return s.compact(m, a)
	case *pb.LeaseGrantRequest:
		return s.grant(m, r, a)
	case *pb.LeaseRevokeRequest:
		return s.revoke(m, a)
	case *pb.LeaseKeepAliveRequest:
		return s.renew(m, r, a)
	case *pb.LeaseTimeToLiveRequest:
		return s.timeToLive(m, r, a)
	case *Expire:
		return s.expire(m, r)
	case *Foreign:
		return s.foreign(m)
	case proto.Message:
		return s.manage(m, a)
	}
	return outcome{next: s, refusal: fmt.Sprintf("the model does not know requests of type %T", r.Message)}
}

// Knows tells whether the model can judge answers to a request.
func Knows(m any) bool {
	switch m.(type) {
	case *pb.RangeRequest, *pb.PutRequest, *pb.DeleteRangeRequest, *pb.TxnRequest, *pb.CompactionRequest,
		*pb.LeaseGrantRequest, *pb.LeaseRevokeRequest, *pb.LeaseKeepAliveRequest, *pb.LeaseTimeToLiveRequest, *Expire, *Foreign,
		*pb.AuthEnableRequest, *pb.AuthDisableRequest, *pb.AuthStatusRequest, *pb.AuthenticateRequest,
		*pb.AuthUserAddRequest, *pb.AuthUserGetRequest, *pb.AuthUserListRequest, *pb.AuthUserDeleteRequest,
		*pb.AuthUserChangePasswordRequest, *pb.AuthUserGrantRoleRequest, *pb.AuthUserRevokeRoleRequest,
		*pb.AuthRoleAddRequest, *pb.AuthRoleGetRequest, *pb.AuthRoleListRequest, *pb.AuthRoleDeleteRequest,
		*pb.AuthRoleGrantPermissionRequest, *pb.AuthRoleRevokePermissionRequest:
		return true
	}
	return false
}

// judge holds what was found against what was expected.
func judge(want outcome, got Answer) error {
	switch {
	case got.None:
		return nil
	case got.Error != "":
		if want.refusal != got.Error {
			return fmt.Errorf("expected %s, found the error %q", want, got.Error)
		}
		return nil
	case want.refusal != "":
		return fmt.Errorf("expected the error %q, found %s", want.refusal, short(got.Response))
	case got.Response == nil:
		if got.Revision != 0 && want.next.revision != got.Revision {
			return fmt.Errorf("expected a change at revision %d, found that it comes to revision %d", got.Revision, want.next.revision)
		}
		return nil
	case want.response == nil || !proto.Equal(want.response, got.Response):
		return fmt.Errorf("expected %s, found %s", want, short(got.Response))
	}
	return nil
}

func (o outcome) String() string {
	if o.refusal != "" {
		return fmt.Sprintf("the error %q", o.refusal)
	}
	return short(o.response)
}

// maxShown bounds how much of a message a finding shows.
const maxShown = 400

func short(m proto.Message) string {
	if m == nil {
		return "no answer"
	}
	text := prototext.MarshalOptions{}.Format(m)
	if len(text) > maxShown {
		text = text[:maxShown] + "…"
	}
	return fmt.Sprintf("%s{%s}", m.ProtoReflect().Descriptor().Name(), text)
}

// header is the one that is expected: with this revision, and with what the model does not judge as it was found.
func header(found *pb.ResponseHeader, revision int64) *pb.ResponseHeader {
	return &pb.ResponseHeader{ClusterId: found.GetClusterId(), MemberId: found.GetMemberId(), RaftTerm: found.GetRaftTerm(), Revision: revision}
}

// atLeast is the header of an answer whose revision was looked up later than it was decided.
func atLeast(found *pb.ResponseHeader, revision int64) *pb.ResponseHeader {
	return header(found, max(found.GetRevision(), revision))
}
