package concurrency

import (
	"context"
	"errors"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/client"
)

var (
	// ErrElectionNotLeader is returned by Proclaim of one who does not lead.
	ErrElectionNotLeader = errors.New("election: not leader")
	// ErrElectionNoLeader is returned by Leader when nobody leads.
	ErrElectionNoLeader = errors.New("election: no leader")
)

// Election finds one leader among sessions. It is for one goroutine at a time, but for Leader and Observe.
//
// The end of the session's lease ends leadership as well; the package comment says how to be safe from that.
type Election struct {
	s   *Session
	pfx string

	key      string // empty = not leading
	revision int64  // that created key
	header   *pb.ResponseHeader
}

// NewElection returns an election; all with the same prefix are the same election.
func NewElection(s *Session, pfx string) *Election { return &Election{s: s, pfx: pfx} }

// ResumeElection returns an election of which the session is the leader already, by a key that was created at a revision.
func ResumeElection(s *Session, pfx string, leaderKey string, leaderRev int64) *Election {
	return &Election{s: s, pfx: pfx, key: leaderKey, revision: leaderRev}
}

// Campaign stands for election with a value and waits until the session leads. When the context ends before, the
// candidacy is taken back. One who stands already changes the value.
func (e *Election) Campaign(ctx context.Context, val string) error {
	key := keyOf(e.pfx, e.s)
	resp, err := e.s.client.Txn(ctx).
		If(client.Compare(client.CreateRevision(key), "=", 0)).
		Then(client.OpPut(key, val, client.WithLease(e.s.Lease()))).
		Else(client.OpGet(key)).
		Commit()
	if err != nil {
		return err
	}
	e.key, e.revision, e.header = key, resp.Header.Revision, resp.Header
	if !resp.Succeeded {
		own := resp.Responses[0].GetResponseRange().Kvs[0]
		e.revision = own.CreateRevision
		if string(own.Value) != val {
			if err := e.Proclaim(ctx, val); err != nil {
				return e.withdraw(err)
			}
		}
	}
	header, err := waitForTurn(ctx, e.s, e.pfx, key, e.revision)
	if err != nil {
		return e.withdraw(err)
	}
	e.header = header
	return nil
}

// withdraw takes a candidacy back, for a reason that it returns.
func (e *Election) withdraw(reason error) error {
	ctx, cancel := e.s.aside()
	defer cancel()
	_ = e.Resign(ctx) // the lease does it later, if this does not
	e.key, e.revision = "", 0
	return reason
}

// Proclaim changes the value of the leader.
func (e *Election) Proclaim(ctx context.Context, val string) error {
	if e.key == "" {
		return ErrElectionNotLeader
	}
	resp, err := e.s.client.Txn(ctx).
		If(client.Compare(client.CreateRevision(e.key), "=", e.revision)).
		Then(client.OpPut(e.key, val, client.WithLease(e.s.Lease()))).
		Commit()
	if err != nil {
		return err
	}
	if !resp.Succeeded {
		e.key, e.revision = "", 0
		return ErrElectionNotLeader
	}
	e.header = resp.Header
	return nil
}

// Resign gives leadership back. It does nothing for one who does not lead.
func (e *Election) Resign(ctx context.Context) error {
	if e.key == "" {
		return nil
	}
	resp, err := e.s.client.Txn(ctx).
		If(client.Compare(client.CreateRevision(e.key), "=", e.revision)).
		Then(client.OpDelete(e.key)).
		Commit()
	if err != nil {
		return err
	}
	e.key, e.revision, e.header = "", 0, resp.Header
	return nil
}

// Leader returns the key and value of the leader, or ErrElectionNoLeader.
func (e *Election) Leader(ctx context.Context) (*client.GetResponse, error) {
	resp, err := e.s.client.Get(ctx, keyPrefix(e.pfx), client.WithFirstCreate()...)
	if err != nil {
		return nil, err
	}
	if len(resp.Kvs) == 0 {
		return nil, ErrElectionNoLeader
	}
	return resp, nil
}

// Key returns the key of the leader while the session is it, else "".
func (e *Election) Key() string { return e.key }

// Rev returns the revision that created the key of the leader while the session is it: a fencing token.
func (e *Election) Rev() int64 { return e.revision }

// Header returns the header of the last response to a campaign, proclamation or resignation that succeeded.
func (e *Election) Header() *pb.ResponseHeader { return e.header }
