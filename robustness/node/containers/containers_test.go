package containers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/moby/moby/client"

	"quoin.dev/quoin/robustness/build"
	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/node/nodetest"
)

func newHost(t *testing.T) *Host {
	t.Helper()
	if err := Check(t.Context()); err != nil {
		t.Skip(err)
	}
	h, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// start runs the probe of nodetest on a new node.
func start(t *testing.T, h *Host, dirs ...string) (node.Node, func(context.Context) error) {
	t.Helper()
	root, err := build.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	binary, err := build.Static(t.Context(), build.Spec{Package: nodetest.Probe, Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	n, err := h.New(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	again := func(ctx context.Context) error {
		return n.Start(ctx, node.Command{Binary: binary, Args: []string{":8080"}, Dirs: dirs, LogFile: log})
	}
	if err := again(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n, again
}

func TestHost(t *testing.T) {
	nodetest.Test(t, func() node.Host { return newHost(t) })
}

func TestCleanTakesOnlyWhatNobodyHas(t *testing.T) {
	h := newHost(t)
	n, _ := start(t, h)
	pid := n.PID()
	if err := Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.PID() != pid || syscall.Kill(pid, 0) != nil {
		t.Error("Clean has removed a container of a lab that lives")
	}
	h.subnet.Release() // as if the lab had died
	if err := Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("Clean has left a container of a lab that does not live: %v", err)
	}
	if _, err := h.provider.Client().NetworkInspect(t.Context(), h.network.ID, client.NetworkInspectOptions{}); err == nil {
		t.Error("Clean has left the network of a lab that does not live")
	}
	h.network = nil
}

// A file system that the lab serves is one for the program, too, and so is the next one in its place when the program starts again.
func TestFileSystemsOfTheLab(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no FUSE: ", err)
	}
	h := newHost(t)
	mountpoint := t.TempDir()
	first, second := t.TempDir(), t.TempDir()
	unmount := serve(t, first, mountpoint)
	n, again := start(t, h, mountpoint)
	write(t, n, mountpoint)
	kill(t, n) // before the file system goes, which would wait for the container otherwise
	unmount()
	found(t, first)
	unmount = serve(t, second, mountpoint)
	if err := again(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, n, mountpoint)
	kill(t, n)
	unmount()
	found(t, second)
}

func kill(t *testing.T, n node.Node) {
	t.Helper()
	if err := n.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.Ended():
	case <-time.After(30 * time.Second):
		t.Fatal("the process did not end after SIGKILL")
	}
}

// serve shows a directory in another place, by FUSE.
func serve(t *testing.T, backing, mountpoint string) (unmount func()) {
	t.Helper()
	root, err := fs.NewLoopbackRoot(backing)
	if err != nil {
		t.Fatal(err)
	}
	server, err := fs.Mount(mountpoint, root, &fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := server.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}
}

// write has the probe write a file, as soon as it answers.
func write(t *testing.T, n node.Node, dir string) {
	t.Helper()
	query := url.Values{"file": {filepath.Join(dir, "file")}, "text": {"here"}}.Encode()
	deadline := time.Now().Add(30 * time.Second)
	for {
		response, err := (&http.Client{Timeout: 5 * time.Second}).Get(fmt.Sprintf("http://%s:8080/write?%s", n.Addr(), query))
		if err == nil {
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Fatalf("write: %s", response.Status)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // between two attempts
	}
}

func found(t *testing.T, dir string) {
	t.Helper()
	if data, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(data) != "here" {
		t.Errorf("the program has written %q (error: %v)", data, err)
	}
}
