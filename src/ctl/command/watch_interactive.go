package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
	"quoin.dev/ctl/txntext"
)

// watchInteractive begins a watch for each line of stdin. It ends with stdin, a line with wrong flags or a command that
// fails.
func (a *app) watchInteractive(cmd *cobra.Command) error {
	out, err := a.setup(cmd, false)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	s := &watchSession{app: a, client: c, out: out, over: make(chan error, 1)}
	ctx, cancel := context.WithCancel(client.WithRequireLeader(a.ctx))
	go s.read(ctx)
	err = <-s.over
	cancel()
	s.watching.Wait()
	return err
}

// watchSession is the watches of one interactive run.
type watchSession struct {
	app      *app
	client   *client.Client
	begun    bool // there was a watch
	watching sync.WaitGroup
	over     chan error // has what ends the run

	mu  sync.Mutex // guards out and stderr, so that what is told at once does not mix
	out printer.Printer
}

// end ends the run. Only the first reason counts.
func (s *watchSession) end(reason error) {
	select {
	case s.over <- reason:
	default:
	}
}

func (s *watchSession) read(ctx context.Context) {
	in := bufio.NewReader(s.app.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			s.end(exit(invalidInput, fmt.Errorf("error reading watch request line: %w", err)))
			return
		}
		if err := s.do(ctx, strings.TrimSuffix(line, "\n")); err != nil {
			s.end(err)
			return
		}
	}
}

// do obeys one line. A line that makes no sense is reported and skipped.
func (s *watchSession) do(ctx context.Context, line string) error {
	words, err := txntext.Tokens(line)
	switch {
	case err != nil:
		s.say("Invalid command %s (%v)\n", line, err)
	case len(words) == 0:
		s.say("Invalid command: %s (watch and progress supported)\n", line)
	case words[0] == "watch":
		return s.watch(ctx, line, words[1:])
	case words[0] == "progress":
		if !s.begun {
			return nil // there is nothing to tell of, which is no fault
		}
		if err := s.client.RequestProgress(ctx); err != nil {
			s.say("no progress: %v\n", err)
		}
	default:
		s.say("Invalid command %s (only support watch)\n", line)
	}
	return nil
}

func (s *watchSession) watch(ctx context.Context, line string, words []string) error {
	if len(words) == 0 && s.app.variable(watchKeyVariable) == "" {
		s.say("Invalid command %s (command type or key is not provided)\n", line)
		return nil
	}
	w, err := s.app.readWatch(words)
	if errors.Is(err, errWatchEndPrefix) {
		s.say("Invalid command %s (%v)\n", line, err)
		return nil
	}
	if err != nil {
		return exit(badArguments, err)
	}
	s.begun = true
	changes, err := s.app.begin(ctx, s.client, w)
	if err != nil {
		return failed(err)
	}
	s.watching.Go(func() {
		if err := s.app.follow(ctx, changes, w, func(r client.WatchResponse) error { return s.show(r, w) }); err != nil {
			s.end(err)
		}
	})
	return nil
}

// readWatch reads what follows `watch` in a line.
func (a *app) readWatch(words []string) (watch, error) {
	var f watchFlags
	flags := pflag.NewFlagSet("watch", pflag.ContinueOnError)
	flags.Usage = func() {}
	flags.SetOutput(io.Discard)
	f.register(flags)
	if err := flags.Parse(words); err != nil {
		// Not the error itself: a request for help is none for the help of the program.
		return watch{}, errors.New(err.Error())
	}
	return a.newWatch(f, flags.Args(), flags.ArgsLenAtDash())
}

func (s *watchSession) show(r client.WatchResponse, w watch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.app.showChanges(r, w, s.out)
}

func (s *watchSession) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.app.Stderr, format, args...)
}
