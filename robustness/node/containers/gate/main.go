// Command gate is the first program of a container of the lab. It asks the lab what to run, and becomes that. So the lab can prepare
// the network of the container before the program runs, and the program writes to a file of the lab with nothing in between that
// could lose a line.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"quoin.dev/quoin/robustness/node/containers/order"
)

func main() {
	fmt.Fprintln(os.Stderr, "gate:", run())
	os.Exit(order.GateFailed)
}

// run returns only if it fails. The lab hears of that by the connection, which a program that begins closes.
func run() error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: order.Socket, Net: "unix"})
	if err != nil {
		return err
	}
	err = obey(conn)
	_, _ = io.WriteString(conn, err.Error())
	return err
}

// obey becomes what the lab says, and returns only if it cannot.
func obey(conn *net.UnixConn) error {
	log, err := receiveFile(conn)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	var o order.Order
	if err := json.Unmarshal(data, &o); err != nil {
		return fmt.Errorf("order of %d bytes: %w", len(data), err)
	}
	for _, fd := range []int{1, 2} {
		if err := unix.Dup3(log, fd, 0); err != nil {
			return fmt.Errorf("use the log: %w", err)
		}
	}
	return fmt.Errorf("become %s: %w", order.Program, syscall.Exec(order.Program, append([]string{o.Name}, o.Args...), o.Env))
}

// receiveFile gets the file that comes with the first byte.
func receiveFile(conn *net.UnixConn) (fd int, err error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return 0, fmt.Errorf("receive the log: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return 0, errors.Join(errors.New("the lab has ended, or sent no log"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, errors.Join(errors.New("the lab sent no log"), err)
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}
