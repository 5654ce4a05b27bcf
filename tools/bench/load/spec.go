package load

import (
	"errors"
	"time"
)

// Spec says what is sent to whom and for how long.
type Spec struct {
	Address string // host:port of the server
	Access  Access
	PID     int // process whose CPU time is sampled around the measured window; 0 = none
	Conns   int // TCP connections
	Clients int // requests in flight, spread evenly over the connections
	Request Request
	Watch   *Watch // nil: nobody watches
	Seed    uint64

	// Warmup is run before anything is measured, then Duration is measured.
	Warmup, Duration time.Duration
	// Ops > 0 sends exactly that many requests instead, all of them measured; Duration then only bounds the run.
	Ops int64
}

// Kind names a shape of request.
type Kind string

// The shapes of requests.
const (
	Put    Kind = "put"     // one key
	Get    Kind = "get"     // one key
	Range  Kind = "range"   // all keys
	Grant  Kind = "grant"   // a lease of an hour, or one that ends at a given time
	Renew  Kind = "renew"   // a lease, on a stream that each client keeps
	TxnMix Kind = "txn-mix" // compare-and-put, put two, create-or-delete and read two, in equal parts
)

// Request is the shape of the requests of one run.
type Request struct {
	Kind         Kind
	Keys         int64 // size of the key space
	KeyBytes     int
	ValueBytes   int
	Serializable bool
	Limit        int64
	CountOnly    bool
	// Leased: what is granted has the lease with the key's number, and what is put is attached to that.
	Leased bool
	// Ends, if it is not zero, is when granted leases end: within the second that begins there. It must be less than
	// MaxTTL away.
	Ends time.Time
	// Other: the keys are those of a second key space.
	Other bool
	// Timed puts begin their value with the time, so that watchers know how long an event was on its way.
	Timed bool
	// Each visits every key of the key space once, in a scattered order; otherwise keys are drawn at random.
	Each bool
}

// limits of a Spec: what fits a machine's ports and the generator's tables.
const (
	maxConns   = 10_000
	maxClients = 100_000
)

func (s *Spec) validate() error {
	switch {
	case s.Address == "":
		return errors.New("no address")
	case s.Conns < 1 || s.Conns > maxConns:
		return errors.New("connections must be 1 to 10000")
	case s.Clients < s.Conns || s.Clients > maxClients:
		return errors.New("clients must be at least as many as connections, at most 100000")
	case s.Duration <= 0:
		return errors.New("duration must be more than 0")
	case s.Watch != nil && (s.Watch.Conns < 1 || s.Watch.Streams < s.Watch.Conns || s.Watch.Watchers < s.Watch.Streams):
		return errors.New("there must be at least as many watchers as streams, and streams as connections")
	case s.Watch != nil && s.Watch.Lockstep && s.Clients > 1:
		return errors.New("only one client can go in lockstep with watchers")
	case s.Ops > 0 && s.Warmup > 0:
		return errors.New("a run by number of operations has no warmup")
	}
	return nil
}

// Result is what a run measured. Latencies count from the moment a request is queued for writing to the moment its
// status was read.
type Result struct {
	Ops     int64         // answered in the measured window
	Elapsed time.Duration // length of that window
	Bytes   int64         // of messages received in it

	Errors     int64  // answers that were not what the request asked for, over the whole run
	FirstError string // the first of them

	Deletes    int64     // events of keys that were deleted, over the whole run
	LastDelete time.Time // when the last of them came

	Mean, P50, P99, P999, Max time.Duration

	ServerCPU time.Duration // user and system time of PID in the window; 0 when PID is 0
	ClientCPU time.Duration // of the generator itself
}

// OpsPerSecond is the throughput.
func (r *Result) OpsPerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Ops) / r.Elapsed.Seconds()
}
