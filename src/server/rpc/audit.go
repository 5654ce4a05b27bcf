package rpc

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"

	"quoin.dev/server/audit"
	"quoin.dev/server/auth"
)

// auditor writes down what clients ask for, and what becomes of it.
type auditor struct {
	log      *audit.Log // nil: nothing is written
	revision func() (int64, error)
}

// senderKey finds in a context where the user is noted from whom a request turns out to be.
type senderKey struct{}

type sender struct{ user atomic.Pointer[string] }

// noteUser says who sends a request, for its line.
func noteUser(ctx context.Context, user string) {
	if s, ok := ctx.Value(senderKey{}).(*sender); ok {
		s.user.Store(&user)
	}
}

// unary is a grpc.UnaryServerInterceptor.
func (a *auditor) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx = context.WithValue(ctx, senderKey{}, new(sender))
	reply, err := handler(ctx, request)
	a.tell(ctx, info.FullMethod, request, reply, err)
	return reply, err
}

// stream is a grpc.StreamServerInterceptor.
func (a *auditor) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	s := &auditedStream{ServerStream: stream, a: a, method: info.FullMethod}
	s.ctx = context.WithValue(stream.Context(), senderKey{}, new(sender))
	err := handler(server, s)
	s.ended(err)
	return err
}

// auditedStream is a stream that is told about once it has answered, or ended without an answer.
type auditedStream struct {
	grpc.ServerStream
	a      *auditor
	ctx    context.Context
	method string

	mu      sync.Mutex // guards what follows
	request any        // the first one
	told    bool
}

// Context knows where to note the user.
func (s *auditedStream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream.
func (s *auditedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.mu.Lock()
		if s.request == nil {
			s.request = m
		}
		s.mu.Unlock()
	}
	return err
}

// SendMsg implements grpc.ServerStream.
func (s *auditedStream) SendMsg(m any) error {
	err := s.ServerStream.SendMsg(m)
	if err == nil {
		s.tellOnce(nil)
	}
	return err
}

// ended tells of a stream that had no answer, or that was denied later.
func (s *auditedStream) ended(err error) {
	if !s.tellOnce(err) && outcome(s.method, err) == audit.Denied {
		s.a.tell(s.ctx, s.method, s.first(), nil, err)
	}
}

// tellOnce reports whether it was the first to tell. Watches tell of themselves one by one.
func (s *auditedStream) tellOnce(err error) bool {
	s.mu.Lock()
	told, request := s.told, s.request
	s.told = true
	s.mu.Unlock()
	if !told && s.method != pb.Watch_Watch_FullMethodName {
		s.a.tell(s.ctx, s.method, request, nil, err)
	}
	return !told
}

func (s *auditedStream) first() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.request
}

// tell writes the line of a request, if one is wanted.
func (a *auditor) tell(ctx context.Context, method string, request, reply any, err error) {
	if a.log == nil {
		return
	}
	became := outcome(method, err)
	if !a.log.Wants(became, audit.Changes(method, request)) {
		return
	}
	r := &audit.Record{Time: time.Now(), Method: method, Outcome: became, Certificate: commonName(ctx)}
	if s, ok := ctx.Value(senderKey{}).(*sender); ok {
		if user := s.user.Load(); user != nil {
			r.User = *user
		}
	}
	if p, ok := peer.FromContext(ctx); ok {
		r.Address = p.Addr.String()
	}
	// The gateway of this member puts the address of its client at the end. Before that, and without it, it is what somebody says.
	r.Forwarded = strings.Join(metadata.ValueFromIncomingContext(ctx, "x-forwarded-for"), ", ")
	r.Targets, r.More = audit.Targets(request)
	if err != nil {
		s, _ := status.FromError(err)
		r.Code, r.Reason = s.Code().String(), s.Message()
	} else if h, ok := reply.(interface{ GetHeader() *pb.ResponseHeader }); ok {
		r.Revision = h.GetHeader().GetRevision()
	}
	if r.Revision == 0 && err == nil {
		r.Revision, _ = a.revision() // 0 while stopping
	}
	a.log.Write(r)
}

// denials are the texts of errors by which requests are denied, apart from those whose code says so.
var denials = map[string]bool{
	status.Convert(rpctypes.ErrGRPCUserEmpty).Message():        true,
	status.Convert(rpctypes.ErrGRPCAuthOldRevision).Message():  true,
	status.Convert(rpctypes.ErrGRPCAuthFailed).Message():       true,
	status.Convert(rpctypes.ErrGRPCPermissionDenied).Message(): true, // locks and elections tell it with another code
	status.Convert(rpctypes.ErrGRPCInvalidAuthToken).Message(): true,
	auth.ErrNoPasswordUser.Error():                             true,
}

// outcome tells what an error means for the log. A user who is not found is the one who asks, unless it is users who are asked for.
func outcome(method string, err error) string {
	if err == nil {
		return audit.Allowed
	}
	s, _ := status.FromError(err)
	switch code := s.Code(); {
	case code == codes.PermissionDenied, code == codes.Unauthenticated, denials[s.Message()]:
		return audit.Denied
	case s.Message() == status.Convert(rpctypes.ErrGRPCUserNotFound).Message() && !strings.HasPrefix(method, "/"+pb.Auth_ServiceDesc.ServiceName+"/"):
		return audit.Denied
	}
	return audit.Failed
}
