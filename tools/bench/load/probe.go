package load

import (
	"errors"
	"time"
)

// Probe asks once for a linearizable read of one key and returns nil when it is answered well. A server that accepts the
// connection but has no leader yet keeps it waiting, for at most timeout.
func Probe(address string, a Access, timeout time.Duration) error {
	secure, err := a.TLS()
	if err != nil {
		return err
	}
	w, err := newWorkload(Request{Kind: Get, KeyBytes: len(keyPrefix) + digitsBytes})
	if err != nil {
		return err
	}
	w.minBytes, w.check = 0, func([]byte) error { return nil }
	r := &run{
		spec: Spec{Address: address, Access: a, Ops: 1}, secure: secure, workload: w,
		epoch: time.Now(), to: timeout, stride: 1,
	}
	c, err := dial(r, 1, 0)
	if err != nil {
		return err
	}
	timer := time.AfterFunc(timeout, func() { c.net.Close() })
	defer timer.Stop()
	if err := c.drive(); err != nil {
		return err
	}
	if c.ops == 0 && c.err == nil {
		return errors.New("no answer")
	}
	return c.err
}
