package config

import (
	"fmt"
	"slices"
)

// architectures are those that releases are made for, and tests run on.
var architectures = []string{"amd64", "arm64", "ppc64le", "riscv64", "s390x"}

// archVariable has to name any other architecture, for who takes the risk.
const archVariable = "ETCD_UNSUPPORTED_ARCH"

// checkArch refuses an architecture that nobody tests: where a store loses data, it should not be a surprise.
func (c *Config) checkArch(arch string, env func(string) (string, bool)) error {
	if arch == "" || slices.Contains(architectures, arch) {
		return nil
	}
	if env != nil {
		if named, _ := env(archVariable); named == arch {
			c.warn("running on an architecture that is not tested", "architecture", arch, "variable", archVariable)
			return nil
		}
	}
	return fmt.Errorf("refusing to run on the architecture %s, which is not tested; set %s=%s to run nevertheless", arch, archVariable, arch)
}
