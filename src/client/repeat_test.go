package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

// A connection that ends after a member carried a request out and before the answer arrives leaves the outcome unknown.
// The change must not be sent again, to this or another member. etcd#8335, Jepsen 14890.
func TestChangeWithUnknownOutcomeIsSentOnce(t *testing.T) {
	change := client.OpPut("k", "v")
	guarded := client.Compare(client.Version("k"), "=", 0)
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"put": func(ctx context.Context, c *client.Client) error {
			_, err := c.Put(ctx, "k", "v")
			return err
		},
		"guarded txn": func(ctx context.Context, c *client.Client) error {
			_, err := c.Txn(ctx).If(guarded).Then(change).Commit()
			return err
		},
		"nested txn": func(ctx context.Context, c *client.Client) error {
			_, err := c.Txn(ctx).Else(client.OpTxn(nil, nil, []client.Op{client.OpDelete("k")})).Commit()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := &member{}, &member{}
			for _, m := range []*member{one, two} {
				m.answer = func(context.Context, string) error {
					m.conns.cut()
					return nil
				}
				start(t, m, listen(t))
			}
			c := open(t, client.Config{}, one, two)
			if err := call(within(t), c); status.Code(err) != codes.Unavailable {
				t.Errorf("got error %v, want Unavailable", err)
			}
			if n := one.puts.Load() + two.puts.Load() + one.txns.Load() + two.txns.Load(); n != 1 {
				t.Errorf("the change was sent %d times", n)
			}
		})
	}
}

func TestReadIsRepeatedAfterACut(t *testing.T) {
	m := &member{}
	m.answer = func(context.Context, string) error {
		if m.ranges.Load()+m.txns.Load()+m.lists.Load() < 3 {
			m.conns.cut()
		}
		return nil
	}
	start(t, m, listen(t))
	c := open(t, client.Config{}, m)
	if _, err := c.Get(within(t), "k"); err != nil || m.ranges.Load() != 3 {
		t.Errorf("get: error %v after %d attempts, want none after 3", err, m.ranges.Load())
	}
	m.ranges.Store(0)
	read := client.OpTxn(nil, []client.Op{client.OpGet("k")}, nil)
	if _, err := c.Txn(within(t)).Then(read).Else(client.OpGet("k")).Commit(); err != nil || m.txns.Load() != 3 {
		t.Errorf("txn of reads: error %v after %d attempts, want none after 3", err, m.txns.Load())
	}
	m.txns.Store(0)
	if _, err := c.MemberList(within(t)); err != nil || m.lists.Load() != 3 {
		t.Errorf("member list: error %v after %d attempts, want none after 3", err, m.lists.Load())
	}
}

func TestAnswersOfAMember(t *testing.T) {
	for _, tc := range []struct {
		answer          error
		want            error
		rangeSent, puts int64
	}{
		{answer: rpctypes.ErrGRPCNoLeader, want: rpctypes.ErrNoLeader, rangeSent: 4, puts: 1},
		{answer: rpctypes.ErrGRPCTimeout, want: rpctypes.ErrTimeout, rangeSent: 4, puts: 1},
		{answer: rpctypes.ErrGRPCLeaderChanged, want: rpctypes.ErrLeaderChanged, rangeSent: 4, puts: 1},
		{answer: rpctypes.ErrGRPCCompacted, want: rpctypes.ErrCompacted, rangeSent: 1, puts: 1},
		{answer: rpctypes.ErrGRPCNoSpace, want: rpctypes.ErrNoSpace, rangeSent: 1, puts: 1},
		{answer: status.Error(codes.Unknown, "etcdserver: too many requests"), want: rpctypes.ErrTooManyRequests, rangeSent: 1, puts: 1},
		{answer: rpctypes.ErrGRPCInvalidAuthToken, want: rpctypes.ErrInvalidAuthToken, rangeSent: 1, puts: 1},
	} {
		t.Run(rpctypes.ErrorDesc(tc.answer), func(t *testing.T) {
			m := start(t, &member{answer: func(context.Context, string) error { return tc.answer }}, listen(t))
			c := open(t, client.Config{MaxUnaryRetries: 3, BackoffWaitBetween: time.Millisecond}, m)
			if _, err := c.Get(within(t), "k"); !errors.Is(err, tc.want) || m.ranges.Load() != tc.rangeSent {
				t.Errorf("get: error %v after %d attempts, want %v after %d", err, m.ranges.Load(), tc.want, tc.rangeSent)
			}
			if _, err := c.Put(within(t), "k", "v"); !errors.Is(err, tc.want) || m.puts.Load() != tc.puts {
				t.Errorf("put: error %v after %d attempts, want %v after %d", err, m.puts.Load(), tc.want, tc.puts)
			}
		})
	}
}

func TestLearnerTurnsAChangeAway(t *testing.T) {
	learner := start(t, &member{answer: func(context.Context, string) error { return rpctypes.ErrGRPCNotSupportedForLearner }}, listen(t))
	voter := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, learner, voter)
	for range 20 {
		if _, err := c.Put(within(t), "k", "v"); err != nil {
			t.Fatal(err)
		}
	}
	if voter.puts.Load() != 20 {
		t.Errorf("the voter got %d of 20 puts", voter.puts.Load())
	}
	alone := open(t, client.Config{}, learner)
	if _, err := alone.Put(within(t), "k", "v"); rpctypes.ErrorDesc(err) != "etcdserver: rpc not supported for learner" {
		t.Errorf("with only a learner: %v", err)
	}
}

func TestContextEndsRepetition(t *testing.T) {
	t.Parallel()
	m := start(t, &member{answer: func(context.Context, string) error { return rpctypes.ErrGRPCNoLeader }}, listen(t))
	c := open(t, client.Config{}, m)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := c.Get(ctx, "k"); !errors.Is(err, rpctypes.ErrNoLeader) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n := m.ranges.Load(); n < 2 || n > 20 {
		t.Errorf("%d attempts in 5 s", n)
	}
}

func TestTokenIsReplacedWhenRefused(t *testing.T) {
	m := &member{}
	m.answer = func(_ context.Context, method string) error {
		if method != "Authenticate" && m.header("token") != "token-2" {
			return rpctypes.ErrGRPCInvalidAuthToken
		}
		return nil
	}
	start(t, m, listen(t))
	c := open(t, client.Config{Username: "root", Password: "pw", DialTimeout: 30 * time.Second}, m)
	if _, err := c.Put(within(t), "k", "v"); err != nil {
		t.Fatal(err)
	}
	if a, p := m.authentications.Load(), m.puts.Load(); a != 2 || p != 2 {
		t.Errorf("%d authentications and %d puts, want 2 and 2", a, p)
	}
	m.answer = func(_ context.Context, method string) error {
		if method == "Authenticate" {
			return nil
		}
		return rpctypes.ErrGRPCAuthOldRevision
	}
	if _, err := c.Put(within(t), "k", "v"); !errors.Is(err, rpctypes.ErrAuthOldRevision) || m.authentications.Load() != 3 {
		t.Errorf("got %v after %d authentications; a fresh token that is refused must end the call", err, m.authentications.Load())
	}
}

func TestClusterWithoutAuth(t *testing.T) {
	m := start(t, &member{answer: func(_ context.Context, method string) error {
		if method == "Authenticate" {
			return rpctypes.ErrGRPCAuthNotEnabled
		}
		return nil
	}}, listen(t))
	c := open(t, client.Config{Username: "root", Password: "pw"}, m)
	if _, err := c.Put(within(t), "k", "v"); err != nil || m.header("token") != "" {
		t.Errorf("error %v, token %q", err, m.header("token"))
	}
	if _, err := client.New(client.Config{Endpoints: []string{m.address}, Username: "u", Password: "p", DialTimeout: time.Nanosecond, Logger: zap.NewNop()}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("New without time for a token: %v", err)
	}
}
