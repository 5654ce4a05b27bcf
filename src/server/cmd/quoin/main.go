// Command quoin runs one member of a cluster.
//
// Without any flag it is a cluster of one on localhost:2379 with its data in default.etcd. Its flags, ETCD_* variables
// and data directory are those of etcd 3.7.
package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	"quoin.dev/server/config"
	"quoin.dev/server/embed"
	"quoin.dev/server/logging"
)

func main() { os.Exit(run()) }

// run returns the exit code: 0 after an orderly stop, 1 when the member could not start or go on, 2 for flags that
// can not be read.
func run() int {
	cfg, err := config.Parse(os.Args[1:], os.LookupEnv)
	if err != nil {
		return config.Explain(err, os.Stdout, os.Stderr)
	}
	log, err := logging.New(cfg.Logging)
	if err != nil {
		return config.Explain(err, os.Stdout, os.Stderr)
	}
	defer log.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	grpc.EnableTracing = cfg.Logging.Level == "debug" // for /debug/requests, which is served then
	log.Info("starting a member", cfg.Fields()...)
	for _, w := range cfg.Warnings {
		log.Warn(w.Message, w.LogFields()...)
	}
	for _, name := range config.UnknownEnv(os.Environ()) {
		log.Warn("unrecognized environment variable", zap.String("environment-variable", name))
	}
	server, err := start(cfg, log, signals)
	if err != nil {
		log.Error("failed to start", zap.Error(err))
		return 1
	}
	if server == nil {
		return 0
	}
	select {
	case s := <-signals:
		log.Info("received signal; shutting down", zap.Stringer("signal", s))
	case <-server.Member.Removed():
	case err := <-server.Failed():
		// The disk may be what failed, so nothing more is written and nothing more is acknowledged.
		log.Error("the member can not go on", zap.Error(err))
		return 1
	}
	stop(server, log)
	return 0
}

// start returns nil when a signal came first. A start may wait long, for other members or for a large database, and
// nothing of it has to be brought to an end: what it leaves is what a crash would leave.
func start(cfg *config.Config, log *logging.Log, signals <-chan os.Signal) (*embed.Server, error) {
	type outcome struct {
		server *embed.Server
		err    error
	}
	started := make(chan outcome, 1)
	go func() {
		server, err := embed.Start(cfg, log.Logger)
		started <- outcome{server, err}
	}()
	select {
	case o := <-started:
		return o.server, o.err
	case s := <-signals:
		log.Info("received signal before the member was up; ending", zap.Stringer("signal", s))
		return nil, nil
	}
}

// stopTimeout bounds an orderly stop; supervisors and scripts count on an end within 1.5 s.
const stopTimeout = 1400 * time.Millisecond

// stop ends the server in order as far as there is time. What is left is made up for at the next start: the log on disk
// holds everything that was acknowledged.
func stop(server *embed.Server, log *logging.Log) {
	stopped := make(chan struct{})
	go func() {
		server.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		log.Warn("the stop takes too long, ending without the rest of it", zap.Duration("timeout", stopTimeout))
	}
}
