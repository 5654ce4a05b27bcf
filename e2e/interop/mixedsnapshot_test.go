package interop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestSnapshotsBetweenKinds lets members of clusters of etcd and the server under test fall far behind, or begin with nothing, so
// that they get the database of a leader of the other kind. Watchers at such a member see every revision once.
func TestSnapshotsBetweenKinds(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, kinds := range [][]lab.Kind{{lab.Etcd, lab.Etcd, subject}, {subject, subject, lab.Etcd}} {
		for _, leads := range []lab.Kind{lab.Etcd, subject} {
			t.Run(fmt.Sprintf("%s-%s-%s led by %s", kinds[0], kinds[1], kinds[2], leads), func(t *testing.T) {
				t.Parallel()
				c := lab.PrepareCluster(t, 3, "--snapshot-count=50", "--snapshot-catchup-entries=10")
				c.Start(t, kinds...)
				f := &fallBehind{load: newEveryRequest(t, c.Members, seed(t), false)}
				seen := watchAll(t, c.Members)
				leader := f.fall(t, c, leads)
				expectAlike(t, c.Members)
				expectOneHistory(t, leader, seen)
				removeMember(t, c.Members[0], f.load.learner)
				for _, kind := range []lab.Kind{subject, lab.Etcd} {
					leader = lead(t, c, leads)
					m := f.learn(t, c, leader, kind)
					all := append([]*lab.Member{m}, c.Members...)
					expectAlike(t, all)
					expectOneHistory(t, leader, append(watchAll(t, []*lab.Member{m}), seen...))
					removeMember(t, leader, idOf(t, m))
					m.AwaitEnd(t)
				}
			})
		}
	}
}

// fallBehind writes more than the log keeps.
type fallBehind struct {
	load *everyRequest
	keys int // so far
}

// What both kinds log when the leader has sent a database, and when the member goes on with it.
const (
	sentDatabase    = "sent database snapshot"
	appliedDatabase = "applied snapshot"
)

// fall makes one member miss much while it is away, waits until it got the database of a leader of the other kind, and returns that
// leader. It begins again if the leader has lost an election meanwhile.
func (f *fallBehind) fall(t *testing.T, c *lab.Cluster, leads lab.Kind) *lab.Member {
	t.Helper()
	for range 5 {
		leader := lead(t, c, leads)
		m := others(c.Members, leader)[0]
		if m.Kind == leads {
			m = others(c.Members, leader)[1]
		}
		sent, applied, kind := leader.LogCount(t, sentDatabase), m.LogCount(t, appliedDatabase), m.Kind
		m.Kill(t)
		f.write(t, others(c.Members, m), 100)
		m.Start(t, kind)
		got := false
		eventually(t, fmt.Sprintf("%s (%s) has the database of %s (%s)", m.Name, m.Kind, leader.Name, leader.Kind), func() bool {
			got = leader.LogCount(t, sentDatabase) > sent && m.LogCount(t, appliedDatabase) > applied
			return got || leaderOf(t, c.Members...) != leader
		})
		if got {
			return leader
		}
		t.Logf("%s (%s) does not lead any more", leader.Name, leader.Kind)
	}
	t.Fatalf("no member of %s led for long enough", leads)
	return nil
}

// write puts keys of which each is written once, beside other requests.
func (f *fallBehind) write(t *testing.T, members []*lab.Member, keys int) {
	t.Helper()
	began := time.Now()
	client := lab.Client(t, members...)
	all := f.load.conns
	f.load.conns = nil
	for _, m := range members {
		f.load.conns = append(f.load.conns, m.Conn(t))
	}
	defer func() { f.load.conns = all }()
	f.load.run(50, func() {
		for n := 0; n < keys; {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			f.keys++
			if _, err := client.Put(ctx, fmt.Sprint("load/", f.keys), "value"); err == nil { // not while an alarm is active
				n++
			}
			cancel()
			if time.Since(began) > time.Minute {
				t.Fatalf("only %d of %d keys were written", n, keys)
			}
		}
	})
}

// learn adds a learner of a kind, which gets a database, and promotes it.
func (f *fallBehind) learn(t *testing.T, c *lab.Cluster, leader *lab.Member, kind lab.Kind) *lab.Member {
	t.Helper()
	m := c.Newcomer(t, "--snapshot-count=50", "--snapshot-catchup-entries=10")
	id := addMember(t, leader, m, true)
	m.StartLearner(t, kind)
	m.AwaitLog(t, appliedDatabase)
	promoteMember(t, leader, id)
	return m
}
