package lab

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Cluster is members that know each other.
type Cluster struct {
	Members []*Member
	Initial string // their --initial-cluster
	made    int    // newcomers so far, for their names
}

// Token is the --initial-cluster-token of every cluster.
const Token = "interop"

// StartCluster runs one member of each given kind with empty directories and waits until all of them answer.
func StartCluster(t testing.TB, kinds ...Kind) *Cluster {
	t.Helper()
	return startCluster(t, kinds, nil)
}

func startCluster(t testing.TB, kinds []Kind, flags []string) *Cluster {
	t.Helper()
	c := PrepareCluster(t, len(kinds), flags...)
	c.Start(t, kinds...)
	return c
}

// PrepareCluster gives members names, ports and places for their directories, which do not exist yet, and starts none.
func PrepareCluster(t testing.TB, members int, flags ...string) *Cluster {
	t.Helper()
	return prepareCluster(t, members, nil, Identity{}, flags)
}

// prepareCluster uses TLS if there is an authority.
func prepareCluster(t testing.TB, members int, a *Authority, as Identity, flags []string) *Cluster {
	t.Helper()
	c := &Cluster{}
	scheme := "http://"
	if a != nil {
		scheme = "https://"
	}
	var initial []string
	free := freeAddresses(t, 2*members)
	for i := range members {
		m := &Member{
			Name: "m" + string(rune('0'+i)), Endpoint: free[2*i], ClientURL: scheme + free[2*i], PeerURL: scheme + free[2*i+1],
			As: as, authority: a,
		}
		dir := t.TempDir()
		m.Dir, m.log = filepath.Join(dir, "data"), filepath.Join(dir, "log")
		c.Members = append(c.Members, m)
		initial = append(initial, m.Name+"="+m.PeerURL)
	}
	c.Initial = strings.Join(initial, ",")
	for _, m := range c.Members {
		client := m.ClientURL
		m.flags = append([]string{
			"--name=" + m.Name, "--data-dir=" + m.Dir,
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + m.PeerURL, "--initial-advertise-peer-urls=" + m.PeerURL,
			"--initial-cluster=" + c.Initial, "--initial-cluster-token=" + Token,
		}, flags...)
		t.Cleanup(func() { m.cleanUp(t) })
	}
	return c
}

// Discover lets members find each other by these flags instead of --initial-cluster. It has to come before their first start.
func (c *Cluster) Discover(flags ...string) {
	for _, m := range c.Members {
		m.flags = slices.DeleteFunc(m.flags, func(f string) bool { return strings.HasPrefix(f, "--initial-cluster") })
		m.flags = append(m.flags, flags...)
	}
}

// Speak lets the lab ask the members as somebody else from now on, as it must once auth is enabled.
func (c *Cluster) Speak(as Identity) {
	for _, m := range c.Members {
		m.As = as
	}
}

// Start runs every member as the kind in its place, and waits until all of them answer.
func (c *Cluster) Start(t testing.TB, kinds ...Kind) {
	t.Helper()
	for i, m := range c.Members {
		m.start(t, kinds[i])
	}
	for _, m := range c.Members {
		m.awaitReady(t)
	}
}

// StartOne runs a single member, with more flags if there are any.
func StartOne(t testing.TB, kind Kind, flags ...string) *Member {
	t.Helper()
	return startCluster(t, []Kind{kind}, flags).Members[0]
}
