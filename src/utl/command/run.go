// Package command is the command line of quoinutl: it turns arguments into work on storage files and results into output.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"quoin.dev/utl/printer"
	"quoin.dev/utl/storefile"
)

// Process is what a command line sees of the world around it, so that tests can be that world.
type Process struct {
	// Name is how the program calls itself in usage texts and in the completion scripts.
	Name string
	// Args are the arguments without the program name.
	Args []string

	Stdout, Stderr io.Writer
}

// app is one run of the program.
type app struct {
	Process
	ctx      context.Context
	logger   *zap.Logger
	writeOut string
	lockWait time.Duration
}

// Run executes one command line and returns the exit code of the process.
func Run(ctx context.Context, p Process) int {
	a := &app{Process: p, ctx: ctx, logger: newLogger(p.Stderr)}
	root := a.rootCommand()
	root.SetArgs(p.Args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return int(success)
	}
	return int(a.report(cmd, err))
}

// interruptible is for work that has to clean up: the context ends at the first SIGINT or SIGTERM, and the second ends the
// process. Other work may be ended at any moment.
func (a *app) interruptible() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// exitCode is the exit status of the process; scripts that were written for etcdutl tell failures apart by it.
type exitCode int

const (
	success      exitCode = 0
	failure      exitCode = 1   // the work failed, or the flags were wrong
	badFeature   exitCode = 4   // a format that does not exist, or that the output does not have
	ioFailure    exitCode = 6   // the output could not be written
	badArguments exitCode = 128 // the arguments contradict each other
)

// exitError ends the process with a code and a sentence.
type exitError struct {
	code exitCode
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func exit(code exitCode, err error) error { return &exitError{code, err} }

// failed ends the process because the work failed; nil stays nil.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return exit(failure, err)
}

// badArgs is the error of a command that was called with arguments it cannot use.
func badArgs(sentence string) error { return exit(badArguments, errors.New(sentence)) }

// printed gives the error of writing the output its exit code.
func printed(err error) error {
	if err == nil {
		return nil
	}
	return exit(ioFailure, err)
}

// report prints a failure: the sentence alone when a command ran, with the usage when it was called wrongly.
func (a *app) report(cmd *cobra.Command, err error) exitCode {
	fmt.Fprintf(a.Stderr, "Error: %v\n", err)
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var usage *usageError
	if cmd.Runnable() || errors.As(err, &usage) {
		fmt.Fprintf(a.Stderr, "%s\n", cmd.UsageString())
	} else {
		fmt.Fprintf(a.Stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	if a.Name == etcdutlName { // it says so twice
		fmt.Fprintf(a.Stderr, "Error: %v\n", err)
	}
	return failure
}

// usageError is an error in the flags; the usage of the command is printed below it.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

// printer returns the printer for --write-out, or what is wrong with that.
func (a *app) printer() (*printer.Printer, error) {
	p, err := printer.New(a.writeOut, a.Stdout)
	if err != nil {
		return nil, exit(badFeature, err)
	}
	return p, nil
}

// file are the options to open files with.
func (a *app) file() storefile.Options {
	const forever = 1<<63 - 1 // also as a time.Duration from now on: some 292 years
	o := storefile.Options{LockWait: a.lockWait, Logger: a.logger}
	if o.LockWait <= 0 {
		o.LockWait = forever
	}
	return o
}
