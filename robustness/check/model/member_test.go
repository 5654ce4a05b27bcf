package model_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/server/embed"
)

// member is a real one, which is asked over the network.
type member struct {
	t      *testing.T
	conn   *grpc.ClientConn
	start  time.Time
	tokens map[string]string
}

func startMember(t *testing.T) *member {
	t.Helper()
	cfg := embed.Private(t.TempDir())
	cfg.ListenClientURLs = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.Security.BcryptCost = 4
	server, err := embed.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := server.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(server.ClientAddrs()[0].String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &member{t: t, conn: conn, start: time.Now(), tokens: map[string]string{}}
}

// asked is a request with the answer that a member gave.
type asked struct {
	request model.Request
	answer  model.Answer
}

func (m *member) ask(user string, request proto.Message) asked {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
	defer cancel()
	if token := m.tokens[user]; token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", token)
	}
	a := asked{request: model.Request{User: user, Message: request, Call: time.Since(m.start)}}
	response, err := m.call(ctx, request)
	a.request.Return = time.Since(m.start)
	switch {
	case err != nil && !model.Judges(user, status.Convert(err).Message()):
		m.t.Fatalf("%v: %v", request, err)
	case err != nil:
		a.answer.Error = status.Convert(err).Message()
	default:
		a.answer.Response = response
	}
	return a
}

// methods are those of the requests that the model knows.
var methods = map[string]string{
	"RangeRequest": "KV/Range", "PutRequest": "KV/Put", "DeleteRangeRequest": "KV/DeleteRange", "TxnRequest": "KV/Txn", "CompactionRequest": "KV/Compact",
	"LeaseGrantRequest": "Lease/LeaseGrant", "LeaseRevokeRequest": "Lease/LeaseRevoke", "LeaseTimeToLiveRequest": "Lease/LeaseTimeToLive",
}

func (m *member) call(ctx context.Context, request proto.Message) (proto.Message, error) {
	if r, ok := request.(*pb.LeaseKeepAliveRequest); ok {
		stream, err := pb.NewLeaseClient(m.conn).LeaseKeepAlive(ctx)
		if err != nil {
			return nil, err
		}
		if err := stream.Send(r); err != nil {
			return nil, err
		}
		return stream.Recv()
	}
	name := string(request.ProtoReflect().Descriptor().Name())
	method, ok := methods[name]
	if !ok {
		for _, d := range []grpc.ServiceDesc{pb.Auth_ServiceDesc} {
			for _, candidate := range d.Methods {
				if "Auth"+candidate.MethodName+"Request" == name || candidate.MethodName+"Request" == name {
					method = "Auth/" + candidate.MethodName
				}
			}
		}
	}
	if method == "" {
		return nil, fmt.Errorf("no method for %s", name)
	}
	response := responseTo(request)
	return response, m.conn.Invoke(ctx, "/etcdserverpb."+method, request, response)
}

// responseTo is an empty message of the kind that answers a request.
func responseTo(request proto.Message) proto.Message {
	descriptor := request.ProtoReflect().Descriptor()
	name := string(descriptor.FullName())
	response, err := registry(name[:len(name)-len("Request")] + "Response")
	if err != nil {
		panic(err)
	}
	return response
}
