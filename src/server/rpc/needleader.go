package rpc

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"quoin.dev/api/rpctypes"
)

// electionsWithoutLeader is after how many election timeouts without a leader a stream ends that wants one.
const electionsWithoutLeader = 3

// leaderGuard serves clients that say by their metadata that they want nothing from a member without a leader: it may be
// cut off from the others, and what it knows may be old.
type leaderGuard struct {
	hasLeader func() bool
	election  time.Duration

	mu       sync.Mutex
	streams  map[*guardedStream]struct{}
	watching bool // a goroutine looks after the streams
}

// guardedStream is a stream that ends when its member has been without a leader for too long.
type guardedStream struct {
	grpc.ServerStream
	ctx context.Context
	end context.CancelCauseFunc
}

// Context ends with the stream, or with the reason why the guard ended it.
func (s *guardedStream) Context() context.Context { return s.ctx }

func wantsLeader(ctx context.Context) bool {
	return slices.Contains(metadata.ValueFromIncomingContext(ctx, rpctypes.MetadataRequireLeaderKey), rpctypes.MetadataHasLeader)
}

// unary is a grpc.UnaryServerInterceptor.
func (g *leaderGuard) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if wantsLeader(ctx) && !g.hasLeader() {
		return nil, rpctypes.ErrGRPCNoLeader
	}
	return handler(ctx, request)
}

// stream is a grpc.StreamServerInterceptor.
func (g *leaderGuard) stream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if !wantsLeader(stream.Context()) {
		return handler(server, stream)
	}
	if !g.hasLeader() {
		return rpctypes.ErrGRPCNoLeader
	}
	s := &guardedStream{ServerStream: stream}
	s.ctx, s.end = context.WithCancelCause(stream.Context())
	defer s.end(nil)
	g.add(s)
	defer g.remove(s)
	return handler(server, s)
}

func (g *leaderGuard) add(s *guardedStream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.streams == nil {
		g.streams = map[*guardedStream]struct{}{}
	}
	g.streams[s] = struct{}{}
	if !g.watching {
		g.watching = true
		go g.watch()
	}
}

func (g *leaderGuard) remove(s *guardedStream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, s)
}

// watch runs while there are streams.
func (g *leaderGuard) watch() {
	ticker := time.NewTicker(g.election)
	defer ticker.Stop()
	for without := 0; ; {
		<-ticker.C
		if without++; g.hasLeader() {
			without = 0
		}
		g.mu.Lock()
		if len(g.streams) == 0 {
			g.watching = false
			g.mu.Unlock()
			return
		}
		if without >= electionsWithoutLeader {
			for s := range g.streams {
				s.end(rpctypes.ErrGRPCNoLeader)
			}
		}
		g.mu.Unlock()
	}
}
