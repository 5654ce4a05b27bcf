package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/node"
)

// pollInterval is how often a condition outside of this process is looked at.
const pollInterval = 20 * time.Millisecond

// readyLine is what quoin and etcd log when they answer clients, which they do once they know a leader.
var readyLine = []byte("ready to serve client requests")

// WaitReady waits until the present process has said that it serves clients.
func (m *Member) WaitReady(ctx context.Context) error {
	begin := time.Now()
	ended := m.node.Ended()
	m.mu.Lock()
	from := m.logStart()
	m.mu.Unlock()
	for {
		found, next, err := search(m.LogFile, from, readyLine)
		switch {
		case err != nil:
			return fmt.Errorf("wait until %s is ready: %w", m.Name, err)
		case found:
			return nil
		}
		from = next
		select {
		case <-ended:
			return fmt.Errorf("%s ended before it was ready, with code %d:\n%s", m.Name, m.node.ExitCode(), m.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w\n%s", m.Name, time.Since(begin).Round(time.Millisecond), ctx.Err(), m.tail())
		case <-time.After(pollInterval):
		}
	}
}

// search looks for a text behind a place of a file, and returns where the next search has to begin.
func search(file string, from int64, text []byte) (found bool, next int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return false, from, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, from, 1<<62))
	if err != nil {
		return false, from, err
	}
	return bytes.Contains(data, text), from + max(0, int64(len(data)-len(text))), nil
}

// tail is the end of what the present process, or the last one, has said.
func (m *Member) tail() string {
	const lines = 20
	data, err := os.ReadFile(m.LogFile)
	if err != nil {
		return err.Error()
	}
	m.mu.Lock()
	from := min(m.logStart(), int64(len(data)))
	m.mu.Unlock()
	all := strings.Split(strings.TrimSpace(string(data[from:])), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// waitState waits until the kernel says that the process stands, or that it does not.
func (m *Member) waitState(ctx context.Context, stands bool) error {
	for {
		pid := m.node.PID()
		if pid == 0 {
			return fmt.Errorf("%s has ended", m.Name)
		}
		if node.Stands(pid) == stands {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: the process does not change between standing and running: %w", m.Name, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}
