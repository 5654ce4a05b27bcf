// Package needs holds dependencies of the lab until all of it is here.
package needs

import (
	_ "github.com/anishathalye/porcupine"
	_ "github.com/google/nftables"
	_ "github.com/hanwen/go-fuse/v2/fs"
	_ "github.com/spf13/cobra"
	_ "github.com/testcontainers/testcontainers-go"
	_ "github.com/vishvananda/netlink"
	_ "golang.org/x/sync/errgroup"
)
