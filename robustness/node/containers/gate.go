package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/node/containers/order"
)

// gate is the lab's side of the gate of a container, for one start.
type gate struct{ listener *net.UnixListener }

// gateTimeout bounds how long a gate may take to ask, and to become the program.
const gateTimeout = 30 * time.Second

// listen waits for the gate in a directory that the container sees.
func listen(dir string) (*gate, error) {
	path := filepath.Join(dir, order.SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return &gate{l}, nil
}

func (g *gate) close() { _ = g.listener.Close() }

// accept returns the connection of the gate. It gives up when the process has ended.
func (g *gate) accept(ctx context.Context, ended <-chan struct{}) (*net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	go func() {
		select {
		case <-ctx.Done():
		case <-ended:
		}
		g.close()
	}()
	conn, err := g.listener.AcceptUnix()
	if err != nil {
		return nil, fmt.Errorf("the container did not ask what to run: %w", err)
	}
	return conn, nil
}

// let has the gate become the program, and returns once it has.
func let(ctx context.Context, conn *net.UnixConn, c node.Command) error {
	deadline := time.Now().Add(gateTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	data, err := json.Marshal(order.Order{Name: filepath.Base(c.Binary), Args: c.Args, Env: c.Env})
	if err != nil {
		return err
	}
	if _, _, err := conn.WriteMsgUnix([]byte{0}, unix.UnixRights(int(log.Fd())), nil); err != nil {
		return fmt.Errorf("send the log to the gate: %w", err)
	}
	if _, err := conn.Write(data); err != nil {
		return fmt.Errorf("send the order to the gate: %w", err)
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	// The connection ends when the program has taken the place of the gate. A gate that fails says why.
	why, err := io.ReadAll(conn)
	if len(why) > 0 {
		return fmt.Errorf("the gate could not %s", why)
	}
	return err
}
