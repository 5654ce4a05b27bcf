package concurrency

import (
	"context"

	"quoin.dev/api/rpctypes"

	"quoin.dev/client"
)

// STM reads and writes keys within a transaction of several steps. All that it writes is written at once at the end; if
// what it read has changed by then, as the Isolation says, the function of NewSTM runs again.
type STM interface {
	// Get returns the value of the first key, "" if there is none. The other keys are read along with it, in one
	// request. An error of the request ends the function and NewSTM.
	Get(key ...string) string
	// Put sets the value of a key when the transaction ends.
	Put(key, val string, opts ...client.OpOption)
	// Rev returns the revision of the last change of a key, 0 if there is none.
	Rev(key string) int64
	// Del deletes a key when the transaction ends.
	Del(key string)

	commit() (*client.TxnResponse, error)
	reset()
}

// Isolation says what a transaction may notice of others.
type Isolation int

// Isolations, from the strictest to the loosest.
const (
	// SerializableSnapshot reads at the revision of the first read, and does not end if a key that it read, or one that
	// it writes, was changed since.
	SerializableSnapshot Isolation = iota
	// Serializable reads at the revision of the first read, and does not end if a key that it read was changed since.
	Serializable
	// RepeatableReads reads each key once, when it is first asked for, and does not end if one was changed since.
	RepeatableReads
	// ReadCommitted reads each key once, when it is first asked for, and ends in any case.
	ReadCommitted
)

type stmOptions struct {
	isolation Isolation
	ctx       context.Context
	prefetch  []string
}

// STMOption changes an STM.
type STMOption func(*stmOptions)

// WithIsolation sets the isolation; SerializableSnapshot without it.
func WithIsolation(lvl Isolation) STMOption { return func(o *stmOptions) { o.isolation = lvl } }

// WithAbortContext sets the context of all requests; that of the client without it.
func WithAbortContext(ctx context.Context) STMOption { return func(o *stmOptions) { o.ctx = ctx } }

// WithPrefetch reads keys in one request, before each run of the function.
func WithPrefetch(keys ...string) STMOption {
	return func(o *stmOptions) { o.prefetch = append(o.prefetch, keys...) }
}

// NewSTM runs a function until what it wrote could be written together. An error of the function, or of a request, is
// returned and ends it; nothing is written then.
func NewSTM(c *client.Client, apply func(STM) error, so ...STMOption) (*client.TxnResponse, error) {
	o := stmOptions{ctx: c.Ctx()}
	for _, opt := range so {
		opt(&o)
	}
	s := &stm{c: c, o: o}
	for {
		resp, err := s.attempt(apply)
		if err != nil {
			return nil, err
		}
		if resp != nil {
			return resp, nil
		}
	}
}

// stmError carries an error out of the function of NewSTM.
type stmError struct{ error }

// attempt runs the function once. The response is nil if it has to run again.
func (s *stm) attempt(apply func(STM) error) (resp *client.TxnResponse, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case stmError:
			if resp, err = nil, r.error; err == rpctypes.ErrCompacted {
				err = nil // the revision of the first read is gone; another run has a new one
			}
		default:
			panic(r)
		}
	}()
	s.reset()
	if len(s.o.prefetch) > 0 {
		s.fetch(s.o.prefetch)
	}
	if err := apply(s); err != nil {
		return nil, err
	}
	return s.commit()
}

// NewSTMRepeatable is NewSTM with RepeatableReads. Deprecated: use NewSTM.
func NewSTMRepeatable(ctx context.Context, c *client.Client, apply func(STM) error) (*client.TxnResponse, error) {
	return NewSTM(c, apply, WithAbortContext(ctx), WithIsolation(RepeatableReads))
}

// NewSTMSerializable is NewSTM with Serializable. Deprecated: use NewSTM.
func NewSTMSerializable(ctx context.Context, c *client.Client, apply func(STM) error) (*client.TxnResponse, error) {
	return NewSTM(c, apply, WithAbortContext(ctx), WithIsolation(Serializable))
}

// NewSTMReadCommitted is NewSTM with ReadCommitted. Deprecated: use NewSTM.
func NewSTMReadCommitted(ctx context.Context, c *client.Client, apply func(STM) error) (*client.TxnResponse, error) {
	return NewSTM(c, apply, WithAbortContext(ctx), WithIsolation(ReadCommitted))
}
