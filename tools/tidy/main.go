// Command tidy runs `go mod tidy` over every module of the workspace, and makes all of them require the same version of
// what they share:
//
//	go run ./tools/tidy          # rewrite go.mod and go.sum of every module
//	go run ./tools/tidy -check   # fail when one of them would change
package main

import (
	"flag"
	"fmt"
	"os"

	"quoin.dev/quoin/tools/internal/workspace"
)

func main() {
	check := flag.Bool("check", false, "report modules that are not tidy and exit 1 instead of rewriting them")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "tidy:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	w, err := workspace.Load(".")
	if err != nil {
		return err
	}
	return w.Tidy(check)
}
