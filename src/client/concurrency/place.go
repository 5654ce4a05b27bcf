package concurrency

import (
	"context"
	"fmt"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/client/internal/turn"
)

// keyPrefix is what the keys of all who stand in one line begin with.
func keyPrefix(pfx string) string { return pfx + "/" }

// keyOf is the key of a session in a line.
func keyOf(pfx string, s *Session) string { return fmt.Sprintf("%s%x", keyPrefix(pfx), s.Lease()) }

// waitForTurn waits until the key that was created at a revision is the first in its line. It fails with
// ErrSessionExpired when the session ends before.
func waitForTurn(ctx context.Context, s *Session, pfx, key string, revision int64) (*pb.ResponseHeader, error) {
	ctx, cancel := s.whileAlive(ctx)
	defer cancel()
	header, err := turn.Wait(ctx, s.client, keyPrefix(pfx), key, revision)
	if err == turn.ErrLost || err != nil && context.Cause(ctx) == ErrSessionExpired {
		return nil, ErrSessionExpired
	}
	return header, err
}
