// Command faultydisk is a member of quoin whose write-ahead log is on a disk that gets stuck or fails when a test says so: by
// the word "stall" or "fail" in a file beside the data directory, DIR.disk. Without that file the disk is well.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"quoin.dev/pkg/vfs"

	"quoin.dev/server/config"
	"quoin.dev/server/embed"
	"quoin.dev/server/logging"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	cfg, err := config.Parse(os.Args[1:], os.LookupEnv)
	if err != nil {
		return err
	}
	log, err := logging.New(cfg.Logging)
	if err != nil {
		return err
	}
	defer log.Close()
	d := newDisk(cfg.DataDir + ".disk")
	go d.follow()
	server, err := embed.StartWith(cfg, embed.Options{Logger: log.Logger, FS: d.fault})
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	select {
	case <-signals:
	case err := <-server.Failed():
		log.Error("the member can not go on", zap.Error(err))
		return err
	}
	server.Stop()
	return nil
}

// disk is the real one behind a gate.
type disk struct {
	control string // path of the file that says what is wrong
	fault   *vfs.Fault

	mu      sync.Mutex // guards stalled
	moves   *sync.Cond // told when stalled changes
	stalled bool
}

func newDisk(control string) *disk {
	d := &disk{control: control, fault: vfs.NewFault(vfs.OS())}
	d.moves = sync.NewCond(&d.mu)
	d.fault.Add(vfs.Rule{Do: d.pass})
	return d
}

// pass is on the way of every operation.
func (d *disk) pass() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.stalled {
		d.moves.Wait()
	}
}

// follow does what the control file says.
func (d *disk) follow() {
	for failed := false; ; time.Sleep(10 * time.Millisecond) {
		word, _ := os.ReadFile(d.control) // none: the disk is well
		d.mu.Lock()
		d.stalled = strings.TrimSpace(string(word)) == "stall"
		d.mu.Unlock()
		d.moves.Broadcast()
		if strings.TrimSpace(string(word)) == "fail" && !failed {
			failed = true
			d.fault.Add(vfs.Rule{Op: vfs.OpSync, Err: syscall.EIO})
		}
	}
}
