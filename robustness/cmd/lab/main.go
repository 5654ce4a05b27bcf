// Command lab starts clusters, loads them, does them harm, and judges whether they kept their promises.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFound   = 1 // a check has found something
	exitUsage   = 2
	exitSpoiled = 3 // a run could not be done, or shows nothing
)

// errFound ends a command whose runs were done, and had findings; they were said already.
var errFound = errors.New("a check has found something")

// errSpoiled ends a command some of whose runs show nothing; they were said already.
var errSpoiled = errors.New("a run could not be done")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(code(command().ExecuteContext(ctx)))
}

func code(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFound):
		return exitFound
	case errors.Is(err, errSpoiled):
		return exitSpoiled
	default:
		fmt.Fprintln(os.Stderr, "lab:", err)
		return exitUsage
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "lab",
		Short: "Harm clusters of quoin and see whether they keep their promises",
		Long: `Starts clusters in containers or network namespaces, loads them, does them harm as a seed
says, and judges what clients were told: linearizability, watches, leases, durability.

A run is a scenario and a seed. It leaves a directory with its plan, everything that clients
asked and were told, the logs of the members, and a report to open in a browser.`,
		Example: `  go run ./robustness/cmd/lab list                        what there is
  go run ./robustness/cmd/lab run kill-leader             one scenario, a fresh seed
  go run ./robustness/cmd/lab run 'power-cut-*' --seed 7  some, with a seed
  go run ./robustness/cmd/lab run --profile ci            what continuous integration runs
  go run ./robustness/cmd/lab run --profile nightly --for 6h
  go run ./robustness/cmd/lab replay DIR                  the same faults and requests again
  go run ./robustness/cmd/lab run locks --shrink          when it fails, look for the faults that matter

Exit codes: 0 all checks passed, 1 a check has found something, 2 wrong usage, 3 a run could not
be done or shows nothing (a fault that did not bite, a cluster that did not start).`,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(listCommand(), runCommand(), replayCommand(), reportCommand(), faultsCommand(), cleanCommand())
	return root
}
