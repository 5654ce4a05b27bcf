package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profiler fetches a CPU profile from the server while a row is measured. Without -cpuprofile it does nothing.
type profiler struct {
	options *options
	member  *member
	name    string
	done    chan error
}

func (p *profiler) start(ctx context.Context) {
	if p.options.cpuProfile == "" || p.member.name == echoContender || p.done != nil {
		return
	}
	p.done = make(chan error, 1)
	seconds := max(int(p.options.duration/time.Second), 1)
	go func() { p.done <- p.fetch(ctx, seconds) }()
}

func (p *profiler) wait() error {
	if p.done == nil {
		return nil
	}
	return <-p.done
}

func (p *profiler) fetch(ctx context.Context, seconds int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+30*time.Second)
	defer cancel()
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", p.member.address, seconds)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("fetching a CPU profile: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching a CPU profile: %s answers %s", url, resp.Status)
	}
	if err := os.MkdirAll(p.options.cpuProfile, 0o755); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return fmt.Errorf("fetching a CPU profile: %w", err)
	}
	return os.WriteFile(filepath.Join(p.options.cpuProfile, p.name), data, 0o644)
}
