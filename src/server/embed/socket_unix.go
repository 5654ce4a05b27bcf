//go:build unix

package embed

import "golang.org/x/sys/unix"

func (o sockets) set(fd uintptr) error {
	if o.reuseAddress {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	if o.reusePort {
		return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	return nil
}
