package transcript

import (
	"context"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	pb "quoin.dev/api/etcdserverpb"
)

// forwarder serves watches by passing them on, and counts what it passes: so the replay knows when a program watches, and
// when it has been told of a change, without asking the program.
type forwarder struct {
	pb.UnimplementedWatchServer
	pb.UnimplementedAuthServer
	server  *grpc.Server
	address string
	to      pb.WatchClient
	login   pb.AuthClient

	created atomic.Int64 // watches that the server has made
	told    atomic.Int64 // responses with events
}

func forward(conn *grpc.ClientConn) (*forwarder, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &forwarder{server: grpc.NewServer(), address: listener.Addr().String(), to: pb.NewWatchClient(conn), login: pb.NewAuthClient(conn)}
	pb.RegisterWatchServer(f.server, f)
	pb.RegisterAuthServer(f.server, f)
	go func() { _ = f.server.Serve(listener) }() // it ends with stop
	return f, nil
}

func (f *forwarder) stop() { f.server.Stop() }

// Authenticate implements the only call that a program makes beside its watches.
func (f *forwarder) Authenticate(ctx context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	return f.login.Authenticate(ctx, r)
}

// Watch implements the service.
func (f *forwarder) Watch(down grpc.BidiStreamingServer[pb.WatchRequest, pb.WatchResponse]) error {
	ctx := down.Context()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	up, err := f.to.Watch(ctx)
	if err != nil {
		return err
	}
	go func() {
		for {
			req, err := down.Recv()
			if err != nil || up.Send(req) != nil {
				return // the other direction ends with the stream
			}
		}
	}()
	for {
		resp, err := up.Recv()
		if err != nil {
			return err
		}
		if err := down.Send(resp); err != nil {
			return err
		}
		if resp.GetCreated() {
			f.created.Add(1)
		}
		if len(resp.GetEvents()) > 0 {
			f.told.Add(1)
		}
	}
}
