package embed

import (
	"fmt"
	"syscall"
)

// socketOptions are what listening sockets are opened with beside what Go does.
type socketOptions struct {
	reusePort    bool // another process may listen at the same time, and gets a part of the connections
	reuseAddress bool // a port can be used while connections of its last user linger
}

func (o socketOptions) any() bool { return o.reusePort || o.reuseAddress }

// control is a net.ListenConfig.Control.
func (o socketOptions) control(_, address string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = o.set(fd) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("set the options of the socket of %s: %w", address, err)
	}
	return nil
}
