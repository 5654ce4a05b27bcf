// Package systemd tells a service manager how the member is, and takes the sockets that it opened.
//
// It speaks sd_notify(3) and sd_listen_fds(3), which other managers know as well. Where none asks for it, nothing happens.
package systemd

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// Manager is the service manager that started this process, if any.
type Manager struct {
	logger *zap.Logger
	// send tells the manager something; watchdog is how long it lets this process be silent, 0: for ever.
	send     func(state string) error
	watchdog time.Duration
}

// New returns the manager that the environment names. Programs that this one starts are none of its business, and never hear
// of it.
func New(logger *zap.Logger) *Manager {
	socket := os.Getenv("NOTIFY_SOCKET")
	m := &Manager{logger: logger, send: func(string) error { return nil }}
	if socket == "" {
		return m
	}
	m.send = func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		logger.Warn("the watchdog of the service manager can not be served", zap.Error(err))
	}
	m.watchdog = interval
	return m
}

func (m *Manager) tell(state string) {
	if err := m.send(state); err != nil {
		m.logger.Warn("the service manager could not be told", zap.String("state", state), zap.Error(err))
	}
}

// Ready says that clients are served.
func (m *Manager) Ready() { m.tell(daemon.SdNotifyReady) }

// Stopping says that the process has begun to end.
func (m *Manager) Stopping() { m.tell(daemon.SdNotifyStopping) }

// Status is one line for people, as `systemctl status` shows it.
func (m *Manager) Status(text string) { m.tell("STATUS=" + text) }

// Starting asks for patience until ctx ends: a large log or a far away quorum takes its time, and giving up would not make it
// shorter.
func (m *Manager) Starting(ctx context.Context) {
	extend := fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (3 * patience).Microseconds())
	m.every(ctx, patience, func() { m.tell(extend) })
}

// patience is how often a start says that it goes on.
const patience = 10 * time.Second

// Watchdog says that all is well for as long as alive does, until ctx ends; the manager ends and restarts a process that has
// not said so for its interval. alive gets a quarter of that for its answer.
func (m *Manager) Watchdog(ctx context.Context, alive func(ctx context.Context, bound time.Duration) error) {
	if m.watchdog <= 0 {
		return
	}
	m.every(ctx, m.watchdog/4, func() {
		within, cancel := context.WithTimeout(ctx, m.watchdog/4)
		defer cancel()
		switch err := alive(within, m.watchdog); {
		case err == nil:
			m.tell(daemon.SdNotifyWatchdog)
		case ctx.Err() == nil:
			m.logger.Error("this member does not go on, and the service manager is to end it", zap.Error(err))
		}
	})
}

// Report keeps the status what text says, until ctx ends.
func (m *Manager) Report(ctx context.Context, text func() string) {
	var last string
	m.every(ctx, reportInterval, func() {
		if now := text(); now != last {
			last = now
			m.Status(now)
		}
	})
}

// reportInterval is how old the status may be.
const reportInterval = time.Second

// every calls f now and at an interval.
func (m *Manager) every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		f()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
