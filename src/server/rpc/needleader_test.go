package rpc

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"quoin.dev/api/rpctypes"
)

// bareStream is a stream with nothing but a context.
type bareStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s bareStream) Context() context.Context { return s.ctx }

func TestClientsThatNeedALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		var leader atomic.Bool
		g := &leaderGuard{hasLeader: leader.Load, election: time.Second}
		needs := metadata.NewIncomingContext(t.Context(), metadata.Pairs(rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader))
		unary := func(ctx context.Context) error {
			_, err := g.unary(ctx, nil, nil, func(context.Context, any) (any, error) { return nil, nil })
			return err
		}
		ended := make(chan error, 1)
		stream := func(ctx context.Context) {
			go func() {
				ended <- g.stream(nil, bareStream{ctx: ctx}, nil, func(_ any, s grpc.ServerStream) error {
					<-s.Context().Done()
					return context.Cause(s.Context())
				})
			}()
		}
		w.Expect(unary(t.Context())).To(Succeed())
		w.Expect(unary(needs)).To(MatchError(rpctypes.ErrGRPCNoLeader))
		stream(needs)
		w.Expect(<-ended).To(MatchError(rpctypes.ErrGRPCNoLeader))

		leader.Store(true)
		w.Expect(unary(needs)).To(Succeed())
		stream(needs)
		time.Sleep(time.Minute)
		w.Expect(ended).To(BeEmpty())

		// A leader that is found again in time does no harm.
		leader.Store(false)
		time.Sleep(1500 * time.Millisecond)
		leader.Store(true)
		time.Sleep(10 * time.Second)
		w.Expect(ended).To(BeEmpty())
		leader.Store(false)
		time.Sleep(4500 * time.Millisecond)
		w.Expect(<-ended).To(MatchError(rpctypes.ErrGRPCNoLeader))

		// Nobody looks after streams that are gone, nor after those that do not care.
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		stream(ctx)
		time.Sleep(time.Minute)
		w.Expect(ended).To(BeEmpty())
		cancel()
		w.Expect(<-ended).To(MatchError(context.Canceled))
	})
}
