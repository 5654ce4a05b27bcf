// Command quoinutl works on the storage files of members that do not run.
package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"quoin.dev/utl/command"
)

func main() {
	os.Exit(command.Run(context.Background(), command.Process{
		Name:   programName(os.Args[0]),
		Args:   os.Args[1:],
		Stdout: os.Stdout,
		Stderr: os.Stderr,
	}))
}

// programName is quoinutl, or etcdutl when the program is installed under that name.
func programName(path string) string {
	if strings.TrimSuffix(filepath.Base(path), ".exe") == "etcdutl" {
		return "etcdutl"
	}
	return "quoinutl"
}
