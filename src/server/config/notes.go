package config

import (
	"strconv"
	"strings"

	"quoin.dev/server/auth/token"
)

// noteOddSettings collects the warnings about settings that are valid but not what an operator may expect.
func (c *Config) noteOddSettings() {
	if c.explicit["max-snapshots"] {
		c.warn("--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.")
	}
	if c.explicit["v2-deprecation"] {
		c.warn("--v2-deprecation is deprecated and scheduled for removal in v3.8. The default value is enforced, ignoring user input.")
	}
	if c.Name == DefaultName {
		c.warn("it isn't recommended to use default name, please set a value for --name", "name", c.Name)
	}
	if c.Limits.MaxRequestBytes > recommendedMaxRequestBytes {
		c.warn("exceeded recommended request limit",
			"max-request-bytes", strconv.FormatUint(uint64(c.Limits.MaxRequestBytes), 10),
			"recommended-request-bytes", strconv.Itoa(recommendedMaxRequestBytes))
	}
	if c.Storage.QuotaBytes > recommendedMaxQuotaBytes {
		c.warn("the quota exceeds what is recommended",
			"quota-backend-bytes", strconv.FormatInt(c.Storage.QuotaBytes, 10),
			"recommended-quota-bytes", strconv.FormatInt(recommendedMaxQuotaBytes, 10))
	}
	if cost := c.Security.BcryptCost; cost < 4 || cost > 31 {
		c.warn("use default bcrypt cost instead of the invalid given cost", "given-cost", strconv.FormatUint(uint64(cost), 10), "default-cost", "10")
		c.Security.BcryptCost = 10
	}
	if c.Storage.UnsafeNoFsync {
		c.warn("writes are acknowledged before they are on disk and are lost when the machine fails; use this for tests only", "flag", "--unsafe-no-fsync")
	}
	c.noteGates()
	if o, err := token.Parse(c.Security.AuthToken); err == nil && len(o.Unknown) > 0 {
		c.warn("unknown JWT options", "keys", strings.Join(o.Unknown, ","))
	}
}
