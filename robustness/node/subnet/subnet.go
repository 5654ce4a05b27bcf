// Package subnet gives each lab of a machine a range of addresses of its own, for as long as the lab lives.
package subnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
)

// Subnet is 10.213.N.0/24. The first address is for the lab, the others are for its nodes.
type Subnet struct {
	N    int
	lock net.Listener
}

// count is how many subnets there are, and so how many hosts a machine can have at a time.
const count = 256

// lastHost is the highest number of a node; 255 is the broadcast address.
const lastHost = 254

// ErrNone is returned by Claim when every subnet is in use.
var ErrNone = errors.New("every subnet of the lab is in use")

// Claim takes a subnet that no lab has. The claim ends with Release, or with the process, however it ends.
//
// It is a socket with an abstract name: the kernel gives such a name to one process at a time, forgets it when that one ends,
// and has a set of names for each network namespace, as it has addresses.
func Claim() (*Subnet, error) {
	first := rand.IntN(count)
	for i := range count {
		s, err := claim((first + i) % count)
		switch {
		case err != nil:
			return nil, err
		case s != nil && s.foreign():
			s.Release()
		case s != nil:
			return s, nil
		}
	}
	return nil, ErrNone
}

// Unclaimed claims the subnet N for a moment, calls f, and releases it. It does nothing if a lab that lives has the subnet. That is
// how what dead labs have left is removed, and nothing else.
func Unclaimed(n int, f func() error) error {
	s, err := claim(n)
	if err != nil || s == nil {
		return err
	}
	defer s.Release()
	return f()
}

// claim returns nil if somebody has it.
func claim(n int) (*Subnet, error) {
	l, err := net.Listen("unix", fmt.Sprintf("@quoin-lab-subnet-%d", n))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim subnet %d: %w", n, err)
	}
	return &Subnet{N: n, lock: l}, nil
}

// Release lets others have it.
func (s *Subnet) Release() { _ = s.lock.Close() }

// Prefix is the whole range.
func (s *Subnet) Prefix() netip.Prefix { return netip.PrefixFrom(s.addr(0), 24) }

// Lab is the address of the lab itself.
func (s *Subnet) Lab() netip.Addr { return s.addr(1) }

// Node is the address of the i-th node, from 0 on.
func (s *Subnet) Node(i int) (netip.Addr, error) {
	if i < 0 || i+2 > lastHost {
		return netip.Addr{}, fmt.Errorf("a host has room for %d nodes", lastHost-1)
	}
	return s.addr(byte(i + 2)), nil
}

func (s *Subnet) addr(host byte) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 213, byte(s.N), host})
}

// foreign tells whether the machine has an address in the range: something that is no lab uses it.
func (s *Subnet) foreign() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if other, err := netip.ParsePrefix(a.String()); err == nil && other.Overlaps(s.Prefix()) {
			return true
		}
	}
	return false
}
