package netfault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// sever destroys the TCP connections that the sockets of a namespace have with an address, and returns how many there were. The
// kernel resets the other end.
func sever(namespace *os.File, with netip.Addr) (int, error) {
	handle, err := netlink.NewHandleAt(netns.NsHandle(namespace.Fd()), unix.NETLINK_INET_DIAG)
	if err != nil {
		return 0, fmt.Errorf("list the sockets of a namespace: %w", err)
	}
	defer handle.Close()
	severed := 0
	// A socket that listens for both has connections of IPv4 among those of IPv6.
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := handle.SocketDiagTCP(family)
		if err != nil {
			return severed, fmt.Errorf("list the sockets of a namespace: %w", err)
		}
		for _, s := range sockets {
			if remote, _ := netip.AddrFromSlice(s.ID.Destination); remote.Unmap() != with {
				continue
			}
			err := handle.SocketDestroy(
				&net.TCPAddr{IP: s.ID.Source, Port: int(s.ID.SourcePort)},
				&net.TCPAddr{IP: s.ID.Destination, Port: int(s.ID.DestinationPort)})
			switch {
			case err == nil:
				severed++
			case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL):
				// It was closed meanwhile, or is about to be: the kernel does not destroy those. What it sends is answered with a reset.
			default:
				return severed, fmt.Errorf("destroy the connection with %s port %d: %w", with, s.ID.DestinationPort, err)
			}
		}
	}
	return severed, nil
}
