// Command release makes the distribution of quoin, proves that it can be made again, and releases its modules.
//
//	go run ./tools/release build --platforms all --out dist
//	go run ./tools/release verify dist
//	go run ./tools/release modules --help
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "release",
		Short:         "Makes the distribution of quoin and proves that it can be made again",
		Long:          "Makes the distribution of quoin and proves that it can be made again.\n\nRun it at the top of the repository. What goes into a release is described by the files in release/.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(buildCommand(), commandCommand(), verifyCommand(), compareCommand(), identicalCommand(), modulesCommand())
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

// printer writes progress lines to the output of a command.
func printer(cmd *cobra.Command) func(string) {
	return func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) }
}
