package command

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/ctl/printer"
)

// exitCode is the exit status of the process; scripts that were written for etcdctl tell failures apart by it.
type exitCode int

const (
	success       exitCode = 0
	failure       exitCode = 1   // the request failed
	badConnection exitCode = 2   // no client could be made: no endpoint, or the credentials were refused
	invalidInput  exitCode = 3   // what was read from stdin makes no sense
	badFeature    exitCode = 4   // a choice that does not exist, or that the response does not have
	interrupted   exitCode = 5   // the member ended a watch
	ioFailure     exitCode = 6   // the output could not be written
	badArguments  exitCode = 128 // the arguments contradict each other
)

// exitError ends the process with a code. A nil err means that everything was said on stderr already.
type exitError struct {
	code exitCode
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "failed"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exit(code exitCode, err error) error { return &exitError{code, err} }

// badArgs is the error of a command that was called with arguments it cannot use.
func badArgs(sentence string) error { return exit(badArguments, errors.New(sentence)) }

// usageError is an error in the flags; the usage of the command is printed below it.
type usageError struct {
	err error
}

func (e *usageError) Error() string { return e.err.Error() }

// requestError is what the operator reads about a failed request. The deadline is noticed here, by the member or by the
// transport, whoever is first; it is the same sentence either way.
func requestError(err error) error {
	if s, isStatus := status.FromError(err); isStatus && s.Code() == codes.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err
}

// failed ends the process because of a failed request.
func failed(err error) error { return exit(failure, requestError(err)) }

// printed gives the error of a printer its exit code.
func printed(err error) error {
	var unsupported *printer.UnsupportedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unsupported):
		return exit(badFeature, err)
	default:
		return exit(ioFailure, err)
	}
}
