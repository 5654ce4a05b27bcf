package containers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	engine "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/node/containers/order"
)

// container is a node.
type container struct {
	host *Host
	name string
	addr netip.Addr
	dir  string // holds the socket of the gate

	starting sync.Mutex // held while a process is started, guards what follows, and is taken before mu
	made     testcontainers.Container
	image    string
	dirs     []string
	closed   bool

	mu       sync.Mutex // guards what follows
	hooks    []func(*os.File) error
	process  *os.Process // the last one
	ended    chan struct{}
	exitCode int
}

var _ node.Node = (*container)(nil)

func newContainer(h *Host, name string, addr netip.Addr, dir string) *container {
	c := &container{host: h, name: name, addr: addr, dir: dir, ended: make(chan struct{})}
	close(c.ended)
	return c
}

func (c *container) Name() string     { return c.name }
func (c *container) Addr() netip.Addr { return c.addr }

// Start starts a process in the container, which it makes first if need be.
func (c *container) Start(ctx context.Context, command node.Command) error {
	c.starting.Lock()
	defer c.starting.Unlock()
	if err := c.start(ctx, command); err != nil {
		return fmt.Errorf("start %s on node %s: %w", command.Binary, c.name, err)
	}
	return nil
}

func (c *container) start(ctx context.Context, command node.Command) error {
	if c.closed {
		return errors.New("the node is closed")
	}
	if c.PID() != 0 {
		return errors.New("a process runs there")
	}
	if err := c.provide(ctx, command); err != nil {
		return err
	}
	gate, err := listen(c.dir)
	if err != nil {
		return err
	}
	defer gate.close()
	if err := c.run(ctx); err != nil {
		return errors.Join(err, c.remove(ctx))
	}
	if err := c.prepare(ctx, gate, command); err != nil {
		return errors.Join(err, c.end(ctx))
	}
	return nil
}

// provide makes the container, if the one that is there has another binary or other directories.
func (c *container) provide(ctx context.Context, command node.Command) error {
	image, err := c.host.images.of(ctx, command.Binary)
	if err != nil {
		return err
	}
	if c.made != nil && c.image == image && slices.Equal(c.dirs, command.Dirs) {
		return nil
	}
	if err := c.remove(ctx); err != nil {
		return err
	}
	made, err := c.host.provider.CreateContainer(ctx, c.request(image, command.Dirs))
	if err != nil {
		return err
	}
	c.made, c.image, c.dirs = made, image, slices.Clone(command.Dirs)
	return nil
}

// request describes the container.
func (c *container) request(image string, dirs []string) testcontainers.ContainerRequest {
	mounts := []mount.Mount{{Type: mount.TypeBind, Source: c.dir, Target: order.Dir}}
	for _, dir := range dirs {
		mounts = append(mounts, mount.Mount{Type: mount.TypeBind, Source: dir, Target: dir})
	}
	return testcontainers.ContainerRequest{
		Image: image, Labels: c.host.labels(), Networks: []string{c.host.network.Name},
		HostConfigModifier: func(h *engine.HostConfig) {
			h.Mounts = mounts
			h.NetworkMode = engine.NetworkMode(c.host.network.Name)
			h.LogConfig = engine.LogConfig{Type: "none"} // the program writes to a file of the lab
			// The detector of data races sets how its memory is laid out, which the usual filter of system calls forbids.
			h.SecurityOpt = []string{"seccomp=unconfined"}
		},
		EndpointSettingsModifier: func(all map[string]*network.EndpointSettings) {
			for _, e := range all {
				e.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: c.addr}
			}
		},
	}
}

// remove removes the container that is there, if any.
func (c *container) remove(ctx context.Context) error {
	if c.made == nil {
		return nil
	}
	_, err := c.host.provider.Client().ContainerRemove(ctx, c.made.GetContainerID(), client.ContainerRemoveOptions{Force: true})
	if err := ignoreMissing(err); err != nil {
		return fmt.Errorf("remove the container: %w", err)
	}
	c.made = nil
	return nil
}

// run starts the container, with the gate as its process, and lets somebody wait for the end.
func (c *container) run(ctx context.Context) error {
	id := c.made.GetContainerID()
	// From before the start, so that an end that comes at once is seen; and for as long as it takes, whatever the context of the start.
	waiting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	end := c.host.provider.Client().ContainerWait(waiting, id, client.ContainerWaitOptions{Condition: engine.WaitConditionNextExit})
	if err := c.made.Start(ctx); err != nil {
		cancel()
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer cancel()
		c.await(end, ended)
	}()
	info, err := c.host.provider.Client().ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	if info.Container.State.Pid == 0 {
		return errors.New("the container has ended at once")
	}
	process, err := os.FindProcess(info.Container.State.Pid)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process, c.ended = process, ended
	return nil
}

// firstSignal is what an exit code of the engine begins at when a signal has ended the process.
const firstSignal = 128

// await notes the end of a process.
func (c *container) await(end client.ContainerWaitResult, ended chan struct{}) {
	code := -1
	select {
	case result := <-end.Result:
		if result.StatusCode <= firstSignal {
			code = int(result.StatusCode)
		}
	case <-end.Error: // the engine has gone; what is said now is a guess, and the next start fails
	}
	c.mu.Lock()
	c.exitCode = code
	c.mu.Unlock()
	close(ended)
}

// prepare calls the hooks, and then lets the gate become the program.
func (c *container) prepare(ctx context.Context, gate *gate, command node.Command) error {
	conn, err := gate.accept(ctx, c.Ended())
	if err != nil {
		return err
	}
	defer conn.Close()
	c.mu.Lock()
	hooks := slices.Clone(c.hooks)
	c.mu.Unlock()
	netns, err := c.NetNS()
	if err != nil {
		return err
	}
	defer netns.Close()
	for _, hook := range hooks {
		if err := hook(netns); err != nil {
			return fmt.Errorf("prepare its network: %w", err)
		}
	}
	if err := let(ctx, conn, command); err != nil {
		return err
	}
	return c.ready(ctx, syscall.SIGTERM)
}

// ready waits until the program handles a signal, or has ended. The first process of a container gets no signal that it does not
// handle, and one that comes before would be lost.
func (c *container) ready(ctx context.Context, s syscall.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for pid := c.PID(); pid != 0; pid = c.PID() {
		if node.Handles(pid, s) {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the program does not handle signal %q: %w", s, ctx.Err())
		}
	}
	return nil
}

// Signal fails with os.ErrProcessDone when nothing runs.
func (c *container) Signal(s syscall.Signal) error {
	c.mu.Lock()
	process := c.process
	c.mu.Unlock()
	err := os.ErrProcessDone
	if process != nil {
		err = process.Signal(s)
	}
	if err != nil {
		return fmt.Errorf("signal %q to node %s: %w", s, c.name, err)
	}
	return nil
}

func (c *container) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.ended:
		return 0
	default:
		return c.process.Pid
	}
}

func (c *container) Ended() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *container) ExitCode() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exitCode
}

// NetNS is that of the present process.
func (c *container) NetNS() (*os.File, error) {
	pid := c.PID()
	if pid == 0 {
		return nil, fmt.Errorf("network namespace of node %s: %w", c.name, os.ErrProcessDone)
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
}

// OnStart calls f while the gate runs.
func (c *container) OnStart(f func(netns *os.File) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hooks = append(c.hooks, f)
}

// end kills the process and waits for its end.
func (c *container) end(ctx context.Context) error {
	if err := c.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.Ended():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the process of node %s did not end after SIGKILL: %w", c.name, ctx.Err())
	}
}

// close ends the process and removes the container.
func (c *container) close(ctx context.Context) error {
	c.starting.Lock()
	defer c.starting.Unlock()
	c.closed = true
	return errors.Join(c.end(ctx), c.remove(ctx))
}
