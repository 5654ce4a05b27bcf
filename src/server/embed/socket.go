package embed

import (
	"fmt"
	"syscall"
)

// sockets is how listening sockets are come by.
type sockets struct {
	given        *givenSockets // nil: none
	reusePort    bool          // another process may listen at the same time, and gets a part of the connections
	reuseAddress bool          // a port can be used while connections of its last user linger
}

// control is a net.ListenConfig.Control.
func (o sockets) control(_, address string, c syscall.RawConn) error {
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
