// Command quoin runs one member of a cluster.
//
// Without any flag it is a cluster of one on localhost:2379 with its data in default.etcd. Its flags, ETCD_* variables
// and data directory are those of etcd 3.7.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

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

	log.Info("starting a member", cfg.Fields()...)
	for _, w := range cfg.Warnings {
		log.Warn(w.Message, w.LogFields()...)
	}
	for _, name := range config.UnknownEnv(os.Environ()) {
		log.Warn("unrecognized environment variable", zap.String("environment-variable", name))
	}
	server, err := embed.Start(cfg, log.Logger)
	if err != nil {
		log.Error("failed to start", zap.Error(err))
		return 1
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
	server.Stop()
	return 0
}
