package interop

import (
	"context"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
	"quoin.dev/quoin/e2e/interop/randomkv"
)

// pair is a connection to etcd and one to the server under test, to which the same is sent.
type pair struct {
	t     *testing.T
	conns [2]*grpc.ClientConn
}

func newPair(t *testing.T) *pair {
	reference, subject := lab.StartOne(t, lab.Etcd), lab.StartOne(t, lab.Subject(t))
	return &pair{t, [2]*grpc.ClientConn{reference.Conn(t), subject.Conn(t)}}
}

// same holds the two answers to a question together.
func (p *pair) same(what string, ask func(*grpc.ClientConn) (proto.Message, error)) {
	p.t.Helper()
	answers := both(p.conns, ask)
	if d := randomkv.Difference(nil, answers[0], answers[1]); d != "" {
		p.t.Errorf("%s, etcd first: %s", what, d)
	}
}

// each runs a preparation on both.
func (p *pair) each(fn func(*grpc.ClientConn) error) {
	p.t.Helper()
	for _, conn := range p.conns {
		check(p.t, fn(conn))
	}
}

func (p *pair) grant(ids ...int64) {
	p.t.Helper()
	p.each(func(conn *grpc.ClientConn) error {
		for _, id := range ids {
			if _, err := pb.NewLeaseClient(conn).LeaseGrant(p.t.Context(), &pb.LeaseGrantRequest{ID: id, TTL: 600}); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestLockServiceAnswersAreEqual uses the Lock service of etcd and of the server under test.
func TestLockServiceAnswersAreEqual(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.grant(0xa1, 0xa2)
	lock := func(ctx context.Context, lease int64) func(*grpc.ClientConn) (proto.Message, error) {
		return func(conn *grpc.ClientConn) (proto.Message, error) {
			return v3lockpb.NewLockClient(conn).Lock(ctx, &v3lockpb.LockRequest{Name: []byte("/l"), Lease: lease})
		}
	}
	unlock := func(key string) func(*grpc.ClientConn) (proto.Message, error) {
		return func(conn *grpc.ClientConn) (proto.Message, error) {
			return v3lockpb.NewLockClient(conn).Unlock(t.Context(), &v3lockpb.UnlockRequest{Key: []byte(key)})
		}
	}
	p.same("lock", lock(t.Context(), 0xa1))
	p.same("lock again", lock(t.Context(), 0xa1))
	short, cancel := context.WithTimeout(t.Context(), 5*time.Second) // long enough for both to have put the key that waits
	defer cancel()
	for i, answer := range both(p.conns, lock(short, 0xa2)) {
		// Its text is that of whoever notices first, the client or the server.
		if status.Code(answer.Err) != codes.DeadlineExceeded {
			t.Errorf("lock that is held, server %d: %v, %v", i, answer.Response, answer.Err)
		}
	}
	p.each(func(conn *grpc.ClientConn) error { return waitForKeys(t, conn, "/l/a2", 0) })
	p.same("lock with a lease that is not there", lock(t.Context(), 0xa3))
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		p.same("lock once it is free", lock(t.Context(), 0xa2))
	}()
	p.each(func(conn *grpc.ClientConn) error { return waitForKeys(t, conn, "/l/a2", 1) })
	p.same("unlock", unlock("/l/a1"))
	<-waiting
	p.same("unlock twice", unlock("/l/a1"))
	p.same("unlock the second", unlock("/l/a2"))
	p.same("unlock nothing", unlock(""))
}

// waitForKeys returns when a key is there, of which there are to be n: one or none.
func waitForKeys(t *testing.T, conn *grpc.ClientConn, key string, n int) error {
	ctx := deadline(t)
	for {
		r, err := pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte(key)})
		if err != nil || len(r.Kvs) == n {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestElectionServiceAnswersAreEqual uses the Election service of etcd and of the server under test.
func TestElectionServiceAnswersAreEqual(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.grant(0xe1, 0xe2)
	election := func(fn func(v3electionpb.ElectionClient) (proto.Message, error)) func(*grpc.ClientConn) (proto.Message, error) {
		return func(conn *grpc.ClientConn) (proto.Message, error) { return fn(v3electionpb.NewElectionClient(conn)) }
	}
	campaign := func(lease int64, value string) func(*grpc.ClientConn) (proto.Message, error) {
		return election(func(c v3electionpb.ElectionClient) (proto.Message, error) {
			return c.Campaign(t.Context(), &v3electionpb.CampaignRequest{Name: []byte("e"), Lease: lease, Value: []byte(value)})
		})
	}
	leader := election(func(c v3electionpb.ElectionClient) (proto.Message, error) {
		return c.Leader(t.Context(), &v3electionpb.LeaderRequest{Name: []byte("e")})
	})
	proclaim := func(k *v3electionpb.LeaderKey, value string) func(*grpc.ClientConn) (proto.Message, error) {
		return election(func(c v3electionpb.ElectionClient) (proto.Message, error) {
			return c.Proclaim(t.Context(), &v3electionpb.ProclaimRequest{Leader: k, Value: []byte(value)})
		})
	}
	resign := func(k *v3electionpb.LeaderKey) func(*grpc.ClientConn) (proto.Message, error) {
		return election(func(c v3electionpb.ElectionClient) (proto.Message, error) {
			return c.Resign(t.Context(), &v3electionpb.ResignRequest{Leader: k})
		})
	}
	first := &v3electionpb.LeaderKey{Name: []byte("e"), Key: []byte("e/e1"), Rev: 2, Lease: 0xe1}

	var observers [2]v3electionpb.Election_ObserveClient
	for i, conn := range p.conns {
		var err error
		observers[i], err = v3electionpb.NewElectionClient(conn).Observe(deadline(t), &v3electionpb.LeaderRequest{Name: []byte("e")})
		check(t, err)
	}
	observed := func(what string) {
		t.Helper()
		var answers [2]randomkv.Answer
		for i, o := range observers {
			r, err := o.Recv()
			answers[i] = randomkv.Answer{Response: r, Err: err}
		}
		if d := randomkv.Difference(nil, answers[0], answers[1]); d != "" {
			t.Errorf("observed %s, etcd first: %s", what, d)
		}
	}

	p.same("no leader", leader)
	p.same("proclaim without a key", proclaim(nil, "x"))
	p.same("resign without a key", resign(nil))
	p.same("campaign", campaign(0xe1, "one"))
	observed("the first leader")
	p.same("leader", leader)
	p.same("campaign again", campaign(0xe1, "one"))
	p.same("campaign again with another value", campaign(0xe1, "two"))
	observed("another value")
	p.same("proclaim", proclaim(first, "three"))
	observed("the proclaimed value")
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		p.same("campaign until the leader resigns", campaign(0xe2, "second"))
	}()
	p.each(func(conn *grpc.ClientConn) error { return waitForKeys(t, conn, "e/e2", 1) })
	p.same("resign", resign(first))
	<-waiting
	observed("the second leader")
	p.same("resign again", resign(first))
	p.same("proclaim without leading", proclaim(first, "x"))
	p.same("leader after that", leader)
	p.same("campaign with a lease that is not there", campaign(0xe3, "x"))
}
