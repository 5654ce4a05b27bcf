package cluster

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
)

// firstPort and lastPort bound the ports of members: below those that systems give to outgoing connections, so that none of
// these has the port of a member that is down for a moment.
const firstPort, lastPort = 20_000, 32_000

// reserve finds ports on which nobody listens, and keeps them while the cluster is there: another one, of this process or of one
// beside it, must not get the port of a member that is down.
func (c *Cluster) reserve(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := firstPort + rand.IntN(lastPort-firstPort)
		held, err := hold(port)
		if err != nil && tries > 100 {
			return nil, err
		}
		if err == nil {
			ports, c.held = append(ports, port), append(c.held, held)
		}
	}
	return ports, nil
}

// hold takes a port, unless somebody holds it or listens on it. What is held is the UDP port with the same number, which members
// have no use for.
func hold(port int) (io.Closer, error) {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	held, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		held.Close()
		return nil, err
	}
	return held, l.Close()
}
