package systemd

import (
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Sockets are the listening sockets that the manager opened for this process, none if it did not. It may be called once: they
// are taken from the environment.
func Sockets() ([]net.Listener, error) {
	var open []net.Listener
	for _, f := range activation.Files(true) {
		l, err := net.FileListener(f)
		_ = f.Close() // the listener has a descriptor of its own
		if err != nil {
			for _, l := range open {
				err = errors.Join(err, l.Close())
			}
			return nil, fmt.Errorf("systemd: %s is not a listening stream socket: %w", f.Name(), err)
		}
		if unix, ok := l.(*net.UnixListener); ok {
			unix.SetUnlinkOnClose(false) // its file is the manager's, which goes on to listen
		}
		open = append(open, l)
	}
	return open, nil
}
