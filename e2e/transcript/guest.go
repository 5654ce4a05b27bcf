package transcript

import (
	"context"
	"errors"
	"fmt"

	"quoin.dev/client"
)

// Guest is a member that joins the cluster in the middle of a session, and leaves it again. Its addresses are host:port.
type Guest struct {
	Name, Client, Peer string
	// Start starts it as a member of a cluster with these members, Stop ends it.
	Start func(members []*client.Member) error
	Stop  func() error
}

// capturedGuest is the one that came in Cluster.
var capturedGuest = player{name: "guest", called: "m4", client: "127.0.0.1:24107", peer: "127.0.0.1:24108"}

// invite lets the records from here on be about the guest of this replay. Its id is learned when it is added.
func invite(_ context.Context, s *clusterStage) error {
	s.from.players = append(s.from.players, capturedGuest)
	g := player{name: capturedGuest.name, called: s.guest.Name, client: s.guest.Client, peer: s.guest.Peer}
	s.to.players = append(s.to.players, g)
	return nil
}

// welcome starts the guest, which was added, and waits until it has all that the others have.
func welcome(ctx context.Context, s *clusterStage) error {
	list, err := s.c.MemberList(ctx)
	if err != nil {
		return err
	}
	if err := s.guest.Start(list.Members); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	return until(ctx, "the guest has what the others have", func() (bool, error) {
		leader, err := s.c.Status(ctx, s.c.Endpoints()[0])
		if err != nil {
			return false, err
		}
		status, err := s.c.Status(ctx, s.guest.Client)
		return err == nil && status.RaftAppliedIndex >= leader.RaftAppliedIndex && status.StorageVersion == leader.StorageVersion, ctx.Err()
	})
}

// bidFarewell sees to it that the guest is gone.
func bidFarewell(ctx context.Context, s *clusterStage) error {
	list, err := s.c.MemberList(ctx)
	if err != nil {
		return err
	}
	for _, m := range list.Members {
		if m.Name == s.guest.Name {
			err = errors.Join(err, fmt.Errorf("the guest %s is still a member", m.Name))
		}
	}
	return errors.Join(err, s.guest.Stop())
}
