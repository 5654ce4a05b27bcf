// Package lease holds the leases of the cluster and the keys that live by them, as of the last applied entry.
package lease

import (
	"errors"
	"math"
	"time"
)

// ID names a lease. Ids that the server picks are positive; a client may choose a negative one (etcd#14239).
type ID int64

// None is the lease of a key without one; no lease has this id.
const None ID = 0

// MaxTTL is the longest time to live in seconds, about 285 years.
const MaxTTL = 9_000_000_000

// Why a request about a lease is refused.
var (
	ErrNotFound    = errors.New("lease not found")
	ErrExists      = errors.New("lease already exists")
	ErrTTLTooLarge = errors.New("too large lease TTL")
)

// Lease is one lease. TTL is the granted time to live in seconds. RemainingTTL is what was left at the last
// checkpoint, 0 when the whole of it counts.
type Lease struct {
	ID           ID
	TTL          int64
	RemainingTTL int64
}

// Countdown is the time in seconds that the lease runs when a new leader starts its clock.
func (l Lease) Countdown() int64 {
	if l.RemainingTTL > 0 {
		return l.RemainingTTL
	}
	return l.TTL
}

// Options are the rules of granting. All members need the same, as each applies them.
type Options struct {
	// MinTTL is the shortest time to live in seconds; a shorter wish is raised to it. See MinTTL.
	MinTTL int64
	// Clock runs the leases down where this member leads. nil: nobody does.
	Clock *Clock
}

// MinTTL is the shortest sensible time to live in seconds: one and a half election timeouts, rounded up, so that a
// lease can outlive the loss of a leader.
func MinTTL(electionTicks int, heartbeat time.Duration) int64 {
	ticks := 3 * electionTicks / 2
	return int64(math.Ceil((time.Duration(ticks) * heartbeat).Seconds()))
}
