package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

// syncTimeout bounds one automatic synchronisation of the endpoints.
const syncTimeout = 5 * time.Second

// Endpoints returns the endpoints in use.
func (c *Client) Endpoints() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.endpoints)
}

// SetEndpoints replaces the endpoints. Connections to members that stay are kept. Endpoints that can not be read are
// left out with a line in the log; when none is left, the old ones stay.
func (c *Client) SetEndpoints(eps ...string) {
	good := make([]string, 0, len(eps))
	for _, ep := range eps {
		if _, err := parse([]string{ep}); err != nil {
			c.lg.Warn("ignored an endpoint", zap.Error(err))
			continue
		}
		good = append(good, ep)
	}
	if len(good) == 0 {
		c.lg.Warn("kept the endpoints: no usable one was given", zap.Strings("given", eps))
		return
	}
	list, _ := parse(good) // each was read above
	c.mu.Lock()
	c.endpoints = good
	resolver := c.resolver
	c.mu.Unlock()
	if resolver != nil {
		resolver.Set(list)
	}
}

// Sync replaces the endpoints by the client URLs that the voting members advertise.
func (c *Client) Sync(ctx context.Context) error {
	members, err := c.MemberList(ctx)
	if err != nil {
		return err
	}
	var eps []string
	for _, m := range members.Members {
		if m.Name != "" && !m.IsLearner { // a member without a name has not started yet
			eps = append(eps, m.ClientURLs...)
		}
	}
	if len(eps) == 0 {
		return ErrNoAvailableEndpoints
	}
	c.SetEndpoints(eps...)
	c.lg.Debug("set the endpoints as members advertise them", zap.Strings("endpoints", eps))
	return nil
}

func (c *Client) autoSync() {
	ticker := time.NewTicker(c.cfg.AutoSyncInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(c.ctx, syncTimeout)
		if err := c.Sync(ctx); err != nil && c.ctx.Err() == nil {
			c.lg.Info("could not synchronise the endpoints", zap.Error(err))
		}
		cancel()
	}
}

// oldestMinor is the 3.x release that a cluster must have reached under Config.RejectOldCluster.
const oldestMinor = 4

// checkVersion asks all members at once. Members that do not answer are passed over, unless that is all of them.
func (c *Client) checkVersion(ctx context.Context) error {
	endpoints := c.Endpoints()
	answers := make(chan error, len(endpoints))
	for _, ep := range endpoints {
		go func() {
			status, err := c.Status(ctx, ep)
			if err == nil && tooOld(status.Version) {
				err = ErrOldCluster
			}
			answers <- err
		}()
	}
	var failed error
	answered := false
	for range endpoints {
		switch err := <-answers; {
		case err == ErrOldCluster:
			return err
		case err == nil:
			answered = true
		default:
			failed = err
		}
	}
	if !answered {
		return failed
	}
	return nil
}

// tooOld reports whether a version, as "3.7.3", is below the oldest one. A text that is no version is.
func tooOld(text string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(text, "%d.%d", &major, &minor); n != 2 {
		return true
	}
	return major < 3 || major == 3 && minor < oldestMinor
}
