package embed

import (
	"errors"

	"golang.org/x/sys/windows"
)

func (o sockets) set(fd uintptr) error {
	if o.reusePort {
		return errors.New("--socket-reuse-port is not there on Windows")
	}
	return windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
}
