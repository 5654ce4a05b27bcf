// Package command is the command line of quoinctl: it turns arguments into calls of the client and responses into output.
package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Process is what a command line sees of the world around it, so that tests can be that world.
type Process struct {
	// Name is how the program calls itself in usage texts and in the completion scripts.
	Name string
	// Args are the arguments without the program name.
	Args []string
	// Env holds NAME=value pairs; only those that begin with ETCDCTL_ are read.
	Env []string

	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// LogConnections makes gRPC log what its connections do, for --debug; nil leaves them silent. The log of gRPC
	// belongs to the whole process, so the program decides about it.
	LogConnections func(w io.Writer)

	// Pause waits before a command does something that the operator may want to interrupt; nil means time.Sleep.
	Pause func(time.Duration)

	// CheckDuration is how long check perf puts a load on a cluster; 0 means a minute.
	CheckDuration time.Duration

	// Interruptible returns a context that also ends when the process is asked to stop, which does not end it then; nil
	// means on SIGINT and SIGTERM.
	Interruptible func(context.Context) (context.Context, context.CancelFunc)
}

// app is one run of the program.
type app struct {
	Process
	flags    globalFlags
	ctx      context.Context
	terminal bool // there is one behind the buffer of Stdout
}

// Run executes one command line and returns the exit code of the process.
func Run(ctx context.Context, p Process) int {
	if p.Pause == nil {
		p.Pause = time.Sleep
	}
	if p.Interruptible == nil {
		p.Interruptible = func(ctx context.Context) (context.Context, context.CancelFunc) {
			return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		}
	}
	p.CheckDuration = cmp.Or(p.CheckDuration, perfDuration)
	a := &app{Process: p, ctx: ctx}
	root := a.rootCommand()
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return int(success)
	}
	return int(a.report(cmd, err))
}

// report prints a failure: the sentence alone when a command ran, with the usage when its flags were wrong.
func (a *app) report(cmd *cobra.Command, err error) exitCode {
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err != nil {
			fmt.Fprintf(a.Stderr, "Error: %v\n", exit.err)
		}
		return exit.code
	}
	fmt.Fprintf(a.Stderr, "Error: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(a.Stderr, "%s\n", cmd.UsageString())
	} else {
		fmt.Fprintf(a.Stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	return failure
}
