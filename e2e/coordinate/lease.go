package main

import (
	"errors"
	"fmt"
	"time"

	"quoin.dev/api/rpctypes"

	"quoin.dev/client"
)

// keptTTL is in seconds, and long enough for a change of leader on a busy machine.
const keptTTL = 20

// lease renews a lease through the trouble, and holds the other calls about leases to what they promise.
func lease(r *run) error {
	c, err := r.connect()
	if err != nil {
		return err
	}
	kept, err := c.Grant(r.ctx, keptTTL)
	if err != nil {
		return err
	}
	renewals, err := c.KeepAlive(r.ctx, kept.ID)
	if err != nil {
		return err
	}
	key := r.prefix + "kept"
	if _, err := c.Put(r.ctx, key, "", client.WithLease(kept.ID)); err != nil {
		return err
	}
	if err := r.renewed(renewals, kept.ID); err != nil {
		return err
	}
	if _, err := r.trouble(); err != nil {
		return err
	}
	// What came before the trouble was over is dropped, so that the next answer is one to a question behind it.
	for len(renewals) > 0 {
		<-renewals
	}
	if err := r.renewed(renewals, kept.ID); err != nil {
		return err
	}
	if err := r.mend(); err != nil {
		return err
	}
	return errors.Join(remaining(r, c, kept.ID, key), revoked(r, c, kept.ID, key, renewals), runsOut(r, c))
}

// renewed waits for the next answer to a renewal.
func (r *run) renewed(renewals <-chan *client.LeaseKeepAliveResponse, id client.LeaseID) error {
	select {
	case a, ok := <-renewals:
		if !ok || a.ID != id || a.TTL != keptTTL || a.Revision == 0 {
			return fmt.Errorf("the renewals went on with %v, channel open: %v", a, ok)
		}
		return nil
	case <-r.ctx.Done():
		return errors.New("the lease is not renewed")
	}
}

// remaining looks at a lease that is renewed.
func remaining(r *run, c *client.Client, id client.LeaseID, key string) error {
	left, err := c.TimeToLive(r.ctx, id, client.WithAttachedKeys())
	if err != nil {
		return err
	}
	if left.GrantedTTL != keptTTL || left.TTL < 1 || left.TTL > keptTTL || len(left.Keys) != 1 || string(left.Keys[0]) != key {
		return fmt.Errorf("the lease has %+v", left)
	}
	all, err := c.Leases(r.ctx)
	if err != nil {
		return err
	}
	for _, l := range all.Leases {
		if l.ID == id {
			return nil
		}
	}
	return fmt.Errorf("lease %d is not among %v", id, all.Leases)
}

// revoked ends a lease and looks for what is left of it: nothing.
func revoked(r *run, c *client.Client, id client.LeaseID, key string, renewals <-chan *client.LeaseKeepAliveResponse) error {
	if _, err := c.Revoke(r.ctx, id); err != nil {
		return err
	}
	for range renewals { // it is closed by the answer that the lease is gone
	}
	if r.ctx.Err() != nil {
		return errors.New("a revoked lease is still renewed")
	}
	if n, err := count(r.ctx, c, key); err != nil || n != 0 {
		return fmt.Errorf("a key of a revoked lease: %d, %v", n, err)
	}
	if _, err := c.KeepAliveOnce(r.ctx, id); err != rpctypes.ErrLeaseNotFound {
		return fmt.Errorf("a renewal of a revoked lease: %v", err)
	}
	if left, err := c.TimeToLive(r.ctx, id); err != nil || left.TTL != -1 {
		return fmt.Errorf("what is left of a revoked lease: %+v, %v", left, err)
	}
	if _, err := c.Revoke(r.ctx, id); err != rpctypes.ErrLeaseNotFound {
		return fmt.Errorf("a second revoke: %v", err)
	}
	if _, err := c.Put(r.ctx, key, "", client.WithLease(id)); err != rpctypes.ErrLeaseNotFound {
		return fmt.Errorf("a put with a revoked lease: %v", err)
	}
	return nil
}

// runsOut lets a lease end by itself, which deletes its key, and not before its time.
func runsOut(r *run, c *client.Client) error {
	const ttl = 6 // for a slow machine to put a key with it
	key := r.prefix + "left"
	began := time.Now()
	left, err := c.Grant(r.ctx, ttl)
	if err != nil {
		return err
	}
	put, err := c.Put(r.ctx, key, "", client.WithLease(left.ID))
	if err != nil {
		return err
	}
	wr, ok := <-c.Watch(r.ctx, key, client.WithRev(put.Header.Revision+1))
	switch {
	case !ok:
		return errors.New("a lease that nobody renews does not end")
	case wr.Err() != nil:
		return wr.Err()
	case time.Since(began) < ttl*time.Second:
		return errors.New("a lease ended before its time")
	case len(wr.Events) != 1 || wr.Events[0].Type != client.EventTypeDelete:
		return fmt.Errorf("the end of a lease is told as %v", wr.Events)
	}
	return nil
}
