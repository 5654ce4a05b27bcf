package cluster

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"quoin.dev/client"
)

// Newcomer makes a member that is not part of the cluster yet, and is neither started nor added to it.
func (c *Cluster) Newcomer() (*Member, error) {
	ports, err := c.reserve(2)
	if err != nil {
		return nil, err
	}
	m := c.newMember(ports[0], ports[1])
	c.Members = append(c.Members, m)
	return m, nil
}

// Joins says which cluster the member, which was added to it, finds at its next start.
func (m *Member) Joins(members []*client.Member) {
	m.initial, m.State = Initial(members, m.Name, m.PeerURL), "existing"
}

// Initial is the --initial-cluster of a member that was added to these members with this name and peer URL.
func Initial(members []*client.Member, name, peerURL string) string {
	var initial []string
	for i, one := range members {
		known := cmp.Or(one.Name, fmt.Sprint("not-started-", i))
		if slices.Contains(one.PeerURLs, peerURL) {
			known = name
		}
		for _, u := range one.PeerURLs {
			initial = append(initial, known+"="+u)
		}
	}
	return strings.Join(initial, ",")
}

// newMember makes a member with a name, a directory and a log of its own.
func (c *Cluster) newMember(clientPort, peerPort int) *Member {
	name := fmt.Sprintf("m%d", c.made)
	c.made++
	scheme := "http"
	if c.secure != nil {
		scheme = "https"
	}
	return &Member{
		Name:      name,
		ClientURL: fmt.Sprintf("%s://127.0.0.1:%d", scheme, clientPort),
		PeerURL:   fmt.Sprintf("%s://127.0.0.1:%d", scheme, peerPort),
		Dir:       filepath.Join(c.dir, name),
		LogFile:   filepath.Join(c.dir, name+".log"),
		binary:    c.binary,
		flags:     c.flags,
		secure:    c.secure,
	}
}
