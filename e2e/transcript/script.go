package transcript

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3electionpb"
	"quoin.dev/api/v3lockpb"
)

// script is what others did around one record. The captures do not tell it; the revisions and the values in them do.
type script struct {
	// before is done before the program is run.
	before []step
	// during is done while it runs, once it watches. What the program is told of one step it has before the next.
	during []step
	// watches is how many watches the program makes, if not one.
	watches int
	// granted is the lease that the program makes, where no captured output of `lease grant` tells it.
	granted uint64
	// unordered says that the program has several watches whose lines may come in either order.
	unordered bool
	// instead changes the record to what quoinctl or quoin say otherwise, on purpose.
	instead func(*Record)
}

// step is one thing that somebody else did.
type step func(context.Context, *stage) error

func put(key, value string) step {
	return func(ctx context.Context, s *stage) error {
		_, err := s.keys.Put(ctx, &pb.PutRequest{Key: []byte(key), Value: []byte(value)})
		return err
	}
}

func del(key string) step {
	return func(ctx context.Context, s *stage) error {
		_, err := s.keys.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte(key)})
		return err
	}
}

func compact(revision int64) step {
	return func(ctx context.Context, s *stage) error {
		_, err := s.keys.Compact(ctx, &pb.CompactionRequest{Revision: revision})
		return err
	}
}

// lead makes somebody else the leader of an election, with a lease of a known id.
func lead(name, value string, lease int64) step {
	return func(ctx context.Context, s *stage) error {
		if _, err := s.leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: lease, TTL: 3600}); err != nil {
			return err
		}
		req := &v3electionpb.CampaignRequest{Name: []byte(name), Value: []byte(value), Lease: lease}
		_, err := v3electionpb.NewElectionClient(s.conn).Campaign(ctx, req)
		return err
	}
}

// hold stands in a line with a lease of a known id, unless somebody does already.
func hold(name string, lease int64) step {
	return func(ctx context.Context, s *stage) error {
		if n, err := s.count(ctx, name); err != nil || n > 0 {
			return err
		}
		if _, err := s.leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: lease, TTL: 3600}); err != nil {
			return err
		}
		_, err := v3lockpb.NewLockClient(s.conn).Lock(ctx, &v3lockpb.LockRequest{Name: []byte(name), Lease: lease})
		return err
	}
}

// revoke ends the lease of a hold, if there was one.
func revoke(lease int64) step {
	return func(ctx context.Context, s *stage) error {
		_, err := s.leases.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: lease})
		if status.Code(err) == codes.NotFound {
			return nil
		}
		return err
	}
}

// count returns how many stand in a line.
func (s *stage) count(ctx context.Context, name string) (int64, error) {
	resp, err := s.keys.Range(ctx, &pb.RangeRequest{Key: []byte(name + "/"), RangeEnd: []byte(name + "0"), CountOnly: true})
	return resp.GetCount(), err
}

// lined waits until a number of keys stand in a line: the program is one of those that wait.
func lined(name string, count int64) step {
	return func(ctx context.Context, s *stage) error {
		return until(ctx, fmt.Sprintf("%d keys stand in the line %s", count, name), func() (bool, error) {
			n, err := s.count(ctx, name)
			return n == count, err
		})
	}
}

// renew lets short leases live on, so that a slow replay sees them as well.
func renew(grants ...int) step {
	return func(ctx context.Context, s *stage) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := s.leases.LeaseKeepAlive(ctx)
		if err != nil {
			return err
		}
		for _, record := range grants {
			if s.grants[record] == 0 {
				continue // it comes later
			}
			if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: s.grants[record]}); err != nil {
				return err
			}
			resp, err := stream.Recv()
			if err != nil {
				return err
			}
			if resp.GetTTL() == 0 {
				return fmt.Errorf("the lease of record %d is over: the replay was too slow", record)
			}
		}
		return nil
	}
}

// over waits until the lease that a record granted has run out.
func over(record int) step {
	return func(ctx context.Context, s *stage) error {
		return until(ctx, fmt.Sprintf("the lease of record %d is over", record), func() (bool, error) {
			resp, err := s.leases.LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: s.grants[record]})
			return resp.GetTTL() == -1, err
		})
	}
}

// until waits for a condition with a deadline.
func until(ctx context.Context, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, err := is()
		if ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		}
	}
}
