package lab

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Newcomer makes a member that is not part of the cluster, for a test that adds it.
func (c *Cluster) Newcomer(t testing.TB, flags ...string) *Member {
	t.Helper()
	m := PrepareCluster(t, 1, flags...).Members[0]
	c.made++
	m.Name = fmt.Sprint("new", c.made)
	m.flags = append(m.flags, "--name="+m.Name)
	return m
}

// Joins says which cluster the member finds at its next start: these members, of which it is one.
func (m *Member) Joins(members []*etcdserverpb.Member) {
	var initial []string
	for i, one := range members {
		name := cmp.Or(one.Name, fmt.Sprint("not-started-", i))
		if slices.Contains(one.PeerURLs, m.PeerURL) {
			name = m.Name
		}
		for _, u := range one.PeerURLs {
			initial = append(initial, name+"="+u)
		}
	}
	m.flags = append(m.flags, "--initial-cluster="+strings.Join(initial, ","), "--initial-cluster-state=existing")
}

// AwaitEnd waits until the process has ended by itself, and expects that it does so in order.
func (m *Member) AwaitEnd(t testing.TB) {
	t.Helper()
	select {
	case <-m.exited:
	case <-time.After(stopTimeout):
		t.Fatalf("%s (%s) did not end by itself\n%s", m.Name, m.Kind, m.logTail())
	}
	if m.exitError != nil {
		t.Fatalf("%s (%s): %v\n%s", m.Name, m.Kind, m.exitError, m.logTail())
	}
	m.cmd = nil
}

// StartLearner is Start for a learner, which does not answer what Start waits for.
func (m *Member) StartLearner(t testing.TB, kind Kind) {
	t.Helper()
	m.start(t, kind)
	m.AwaitLog(t, "ready to serve client requests")
}

// StartWith is Start with more flags, for this start alone.
func (m *Member) StartWith(t testing.TB, kind Kind, flags ...string) {
	t.Helper()
	before := m.flags
	m.flags = append(slices.Clone(before), flags...)
	m.start(t, kind)
	m.flags = before
	m.awaitReady(t)
}
