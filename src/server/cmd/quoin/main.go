// Command quoin runs one member of a cluster.
//
// Without any flag it is a cluster of one on localhost:2379 with its data in default.etcd. Its flags, ETCD_* variables
// and data directory are those of etcd 3.7.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/grpclog"

	"quoin.dev/server/config"
	"quoin.dev/server/embed"
	"quoin.dev/server/logging"
	"quoin.dev/server/preflight"
	"quoin.dev/server/systemd"
)

func main() { os.Exit(run()) }

// Exit codes. 2 comes from config.Explain, for flags that can not be read.
const (
	exitStopped = 0 // after an orderly stop, or when the member was removed from its cluster
	exitFailed  = 1 // the member could not start or go on, or was told twice to stop
)

func run() int {
	cfg, err := config.Parse(os.Args[1:], os.LookupEnv)
	var check *config.CheckRequest
	if errors.As(err, &check) {
		return preflight.Report(os.Stdout, preflight.Check(context.Background(), check.Config, check.Err))
	}
	if err != nil {
		return config.Explain(err, os.Stdout, os.Stderr)
	}
	log, err := logging.New(cfg.Logging)
	if err != nil {
		return config.Explain(err, os.Stdout, os.Stderr)
	}
	defer log.Close()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// Who read the log may be gone. Lines are lost then, and the member goes on; the runtime would end it.
	signal.Ignore(syscall.SIGPIPE)

	// What happens to single connections of gRPC is their clients' matter, and the log has its format.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	grpc.EnableTracing = cfg.Logging.Level == "debug" // for /debug/requests, which is served then
	log.Info("starting a member", cfg.Fields()...)
	for _, w := range cfg.Warnings {
		log.Warn(w.Message, w.LogFields()...)
	}
	for _, name := range config.UnknownEnv(os.Environ()) {
		log.Warn("unrecognized environment variable", zap.String("environment-variable", name))
	}
	return runMember(cfg, log, signals)
}

// runMember is the life of the member, from its start to its exit code.
func runMember(cfg *config.Config, log *logging.Log, signals <-chan os.Signal) int {
	manager := systemd.New(log.Logger)
	sockets, err := systemd.Sockets()
	if err != nil {
		log.Error("failed to start", zap.Error(err))
		return exitFailed
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	starting, started := context.WithCancel(ctx)
	go manager.Starting(starting)
	server, err := start(cfg, embed.Options{Logger: log.Logger, Sockets: sockets}, signals)
	started()
	if err != nil {
		log.Error("failed to start", zap.Error(err))
		return exitFailed
	}
	if server == nil {
		return exitStopped
	}
	go manager.Watchdog(ctx, server.Member.Probe)
	go manager.Report(ctx, server.Member.Condition)
	go func() {
		if server.Wait(ctx) == nil {
			manager.Ready()
		}
	}()
	select {
	case s := <-signals:
		log.Info("received signal; shutting down", zap.Stringer("signal", s))
	case <-server.Removed():
	case err := <-server.Failed():
		// The disk may be what failed, so nothing more is written and nothing more is acknowledged.
		log.Error("the member can not go on", zap.Error(err))
		return exitFailed
	}
	cancel()
	manager.Stopping()
	return stop(server, log, signals)
}

// start returns nil when a signal came first. A start may wait long, for other members or for a large database, and
// nothing of it has to be brought to an end: what it leaves is what a crash would leave.
func start(cfg *config.Config, o embed.Options, signals <-chan os.Signal) (*embed.Server, error) {
	type outcome struct {
		server *embed.Server
		err    error
	}
	started := make(chan outcome, 1)
	go func() {
		server, err := embed.StartWith(cfg, o)
		started <- outcome{server, err}
	}()
	select {
	case o := <-started:
		return o.server, o.err
	case s := <-signals:
		o.Logger.Info("received signal before the member was up; ending", zap.Stringer("signal", s))
		return nil, nil
	}
}

// stopTimeout bounds an orderly stop; supervisors and scripts count on an end within 1.5 s.
const stopTimeout = 1400 * time.Millisecond

// stop ends the server in order as far as there is time, and nobody is more impatient than that. What is left is made up for at
// the next start: the log on disk holds everything that was acknowledged.
func stop(server *embed.Server, log *logging.Log, signals <-chan os.Signal) int {
	stopped := make(chan struct{})
	go func() {
		server.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		log.Warn("the stop takes too long, ending without the rest of it", zap.Duration("timeout", stopTimeout))
	case s := <-signals:
		log.Warn("received another signal; ending at once", zap.Stringer("signal", s))
		return exitFailed
	}
	return exitStopped
}
