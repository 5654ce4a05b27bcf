// Command quoinctl reads, writes and looks after a cluster that speaks the etcd v3 API.
package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/grpclog"

	"quoin.dev/ctl/command"
)

// debugVerbosity makes gRPC log the state changes of its connections.
const debugVerbosity = 4

func main() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	os.Exit(command.Run(context.Background(), command.Process{
		Name:   programName(os.Args[0]),
		Args:   os.Args[1:],
		Env:    os.Environ(),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		LogConnections: func(w io.Writer) {
			grpclog.SetLoggerV2(grpclog.NewLoggerV2WithVerbosity(w, io.Discard, io.Discard, debugVerbosity))
		},
	}))
}

// programName is quoinctl, or etcdctl when the program is installed under that name.
func programName(path string) string {
	if strings.TrimSuffix(filepath.Base(path), ".exe") == "etcdctl" {
		return "etcdctl"
	}
	return "quoinctl"
}
