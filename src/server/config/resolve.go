package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"
)

// resolve fills what follows from other settings. It runs once, before Validate.
func (c *Config) resolve(defaultHost func() string) error {
	if c.DataDir == "" {
		c.DataDir = c.Name + ".etcd"
		c.warn("'data-dir' was empty; using default", "data-dir", c.DataDir)
	}
	if !c.explicit["initial-advertise-peer-urls"] && defaultHost != nil {
		c.advertiseDefaultHost(defaultHost)
	}
	if !c.explicit["initial-cluster"] {
		c.Cluster.InitialCluster = c.defaultInitialCluster()
	}
	const minPeerTimeout = 5 * time.Second
	c.Raft.ReadTimeout = max(c.Raft.ReadTimeout, minPeerTimeout)
	c.Raft.WriteTimeout = max(c.Raft.WriteTimeout, minPeerTimeout)
	return c.Compaction.resolve()
}

// advertiseDefaultHost replaces localhost in the advertised peer URL when the member listens on all addresses: other
// machines could not reach localhost.
func (c *Config) advertiseDefaultHost(defaultHost func() string) {
	if len(c.ListenPeerURLs) == 0 {
		return
	}
	listen := c.ListenPeerURLs[0]
	ip := net.ParseIP(listen.Hostname())
	if ip == nil || !ip.IsUnspecified() {
		return
	}
	host := defaultHost()
	if host == "" {
		return
	}
	listen.Host = net.JoinHostPort(host, listen.Port())
	c.Cluster.InitialAdvertisePeerURLs = []url.URL{listen}
}

// DefaultHost is the address of this machine on its default route, or "" when there is none. Nothing is sent: a UDP
// socket that is connected to a documentation address (RFC 5737) only asks the kernel which way it would go.
func DefaultHost() string {
	conn, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil {
		return ""
	}
	defer conn.Close()
	addr, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok || addr.IP.IsLoopback() {
		return ""
	}
	return addr.IP.String()
}

// resolve reads the retention according to the mode.
func (c *Compaction) resolve() error {
	c.Period, c.Revisions = 0, 0
	n, numberErr := strconv.ParseInt(c.retention, 10, 64)
	switch c.Mode {
	case CompactionModeRevision:
		if numberErr != nil || n < 0 {
			return fmt.Errorf("--auto-compaction-retention must be a number of revisions, 0 or more, in mode %q (got %q)", c.Mode, c.retention)
		}
		c.Revisions = n
		return nil
	case CompactionModePeriodic:
		if numberErr == nil && n >= 0 {
			const maxHours = int64(1<<63-1) / int64(time.Hour)
			if n > maxHours {
				return fmt.Errorf("--auto-compaction-retention of %d hours is too long", n)
			}
			c.Period = time.Duration(n) * time.Hour
			return nil
		}
		d, err := time.ParseDuration(c.retention)
		if err == nil && d < 0 {
			err = errors.New("retention must not be negative")
		}
		if err != nil {
			return fmt.Errorf("error parsing CompactionRetention: %w", err)
		}
		c.Period = d
		return nil
	}
	return fmt.Errorf("unknown auto-compaction-mode %q", c.Mode)
}
