// Command quoinctl reads, writes and looks after a cluster that speaks the etcd v3 API.
package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"quoin.dev/ctl/command"
)

func main() {
	os.Exit(command.Run(context.Background(), command.Process{
		Name:   programName(os.Args[0]),
		Args:   os.Args[1:],
		Env:    os.Environ(),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
	}))
}

// programName is quoinctl, or etcdctl when the program is installed under that name.
func programName(path string) string {
	if strings.TrimSuffix(filepath.Base(path), ".exe") == "etcdctl" {
		return "etcdctl"
	}
	return "quoinctl"
}
