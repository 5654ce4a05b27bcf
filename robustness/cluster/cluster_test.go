package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quoin.dev/client"

	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/node/containers"
	"quoin.dev/quoin/robustness/node/namespaces"
)

// timeout bounds a test, without the time for building programs.
const timeout = 3 * time.Minute

func inNamespaces(t *testing.T) node.Host {
	t.Helper()
	if err := namespaces.Check(); err != nil {
		t.Skip(err)
	}
	h, err := namespaces.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func inContainers(t *testing.T) node.Host {
	t.Helper()
	if err := containers.Check(t.Context()); err != nil {
		t.Skip(err)
	}
	h, err := containers.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func quoin(t *testing.T) Program {
	t.Helper()
	p, err := Quoin(t.Context(), Build{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start makes a cluster that is ready.
func start(t *testing.T, o Options) (context.Context, *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	c, err := New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx, c
}

// put repeats a write until it is acknowledged: there may be an election meanwhile.
func put(ctx context.Context, t *testing.T, c *Cluster, value string, members ...*Member) {
	t.Helper()
	one, err := c.Client(Access{}, members...)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	for {
		_, err := one.Put(ctx, "key", value)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("put %s: %v", value, err)
		case <-time.After(pollInterval):
		}
	}
}

// expect waits until a member has the value; a serializable read does not need the others.
func expect(ctx context.Context, t *testing.T, c *Cluster, value string, m *Member, opts ...client.OpOption) {
	t.Helper()
	one, err := c.Client(Access{}, m)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	for {
		resp, err := one.Get(ctx, "key", opts...)
		if err == nil && len(resp.Kvs) == 1 && string(resp.Kvs[0].Value) == value {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s (%s) does not have the value %s: %v, %v", m.Name, m.Program().Name, value, resp, err)
		case <-time.After(pollInterval):
		}
	}
}

// survives puts through one member, kills the leader, and reads from the others.
func survives(t *testing.T, o Options) {
	ctx, c := start(t, o)
	put(ctx, t, c, "before", c.Members()[0])
	leader, err := c.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if leader.Running() {
		t.Error("the leader runs after Kill")
	}
	next, err := c.Leader(ctx)
	if err != nil || next == leader {
		t.Fatalf("the next leader is %v: %v", next, err)
	}
	for _, m := range c.Members() {
		if m != leader {
			expect(ctx, t, c, "before", m)
		}
	}
	put(ctx, t, c, "after", next)
	if err := leader.Start(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, c, "after", leader, client.WithSerializable())
}

func TestThreeMembersOutliveTheirLeader(t *testing.T) {
	p := quoin(t)
	for _, host := range []func(*testing.T) node.Host{inNamespaces, inContainers} {
		t.Run("", func(t *testing.T) {
			dir := t.TempDir()
			survives(t, Options{Host: host(t), Dir: dir, Programs: []Program{p, p, p}})
			for i := range 3 {
				for _, name := range []string{fmt.Sprintf("m%d.log", i), fmt.Sprintf("m%d.data/member/wal", i)} {
					if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

func TestTLS(t *testing.T) {
	p := quoin(t)
	survives(t, Options{Host: inContainers(t), Programs: []Program{p, p, p}, TLS: true})
}

func TestQuoinBesideEtcd(t *testing.T) {
	p := quoin(t)
	etcd, err := Etcd(t.Context(), "3.7.3")
	if err != nil {
		t.Fatal(err)
	}
	ctx, c := start(t, Options{Host: inNamespaces(t), Programs: []Program{p, etcd, p}, TLS: true})
	put(ctx, t, c, "mixed", c.Members()[1])
	for _, m := range c.Members() {
		expect(ctx, t, c, "mixed", m)
	}
	second := c.Members()[1]
	if _, err := second.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	second.Replace(p)
	put(ctx, t, c, "replaced", c.Members()[0])
	if err := second.Start(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, c, "replaced", second)
}

func TestLearnerThatIsPromotedAndRemoved(t *testing.T) {
	p := quoin(t)
	// Without the flag, members have to be connected for some seconds before the cluster may be changed.
	ctx, c := start(t, Options{Host: inNamespaces(t), Programs: []Program{p, p}, Flags: []string{"--strict-reconfig-check=false"}})
	put(ctx, t, c, "early")
	m, err := c.Add(ctx, p, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, c, "early", m, client.WithSerializable())
	if err := c.Promote(ctx, m); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, c, "early", m)
	if len(c.Members()) != 3 || len(c.Endpoints()) != 3 {
		t.Errorf("members: %v", c.Endpoints())
	}
	if err := c.Remove(ctx, m); err != nil {
		t.Fatal(err)
	}
	if len(c.Members()) != 2 || len(c.Former()) != 1 {
		t.Errorf("%d members and %d former ones", len(c.Members()), len(c.Former()))
	}
	select {
	case <-m.Node().Ended():
	case <-ctx.Done():
		t.Error("the member that was removed goes on")
	}
}

func TestPauseAndStop(t *testing.T) {
	ctx, c := start(t, Options{Host: inNamespaces(t), Programs: []Program{quoin(t)}})
	m := c.Members()[0]
	if err := m.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if !m.Paused() || !node.Stands(m.Node().PID()) {
		t.Error("a member that is paused does not stand")
	}
	if err := m.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	if m.Paused() {
		t.Error("a member that goes on says that it is paused")
	}
	put(ctx, t, c, "alive")
	took, err := m.Stop(ctx)
	if err != nil || took <= 0 || m.Running() || m.Node().ExitCode() != 0 {
		t.Errorf("Stop took %s: %v, exit code %d", took, err, m.Node().ExitCode())
	}
	if err := m.Kill(ctx); err != nil {
		t.Errorf("Kill of a member that does not run: %v", err)
	}
	if err := m.Pause(ctx); err == nil {
		t.Error("a member that does not run could be paused")
	}
}

func TestWipeIsANewDisk(t *testing.T) {
	var disks []string
	o := Options{Host: inNamespaces(t), Programs: []Program{quoin(t)}, Disk: func(_, backing string) (string, error) {
		disks = append(disks, backing)
		return backing, nil
	}}
	ctx, c := start(t, o)
	m := c.Members()[0]
	put(ctx, t, c, "lost")
	if err := m.Wipe(); err == nil {
		t.Error("a member that runs was wiped")
	}
	if err := m.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Wipe(); err != nil {
		t.Fatal(err)
	}
	if len(disks) != 2 || disks[0] == disks[1] || m.DataDir() != disks[1] {
		t.Errorf("disks %q, data in %s", disks, m.DataDir())
	}
	if err := m.Start(ctx); err != nil {
		t.Fatal(err)
	}
	one, err := c.Client(Access{}, m)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if resp, err := one.Get(ctx, "key"); err != nil || len(resp.Kvs) != 0 {
		t.Errorf("after Wipe: %v, %v", resp, err)
	}
}

func TestAMemberThatEndsEarlySaysWhy(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	c, err := New(ctx, Options{Host: inNamespaces(t), Dir: t.TempDir(), Programs: []Program{quoin(t)}, Flags: []string{"--no-such-flag"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx); err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("the error is %v", err)
	}
}

// What is known of a process tells a kill from an end of its own, also where one follows the other at once.
func TestLivesTellHowProcessesEnded(t *testing.T) {
	ctx, c := start(t, Options{Host: inNamespaces(t), Programs: []Program{quoin(t)}})
	m := c.Members()[0]
	if err := m.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	right := m.initial
	m.initial = append(m.initial, "--no-such-flag")
	if err := m.Launch(ctx); err != nil {
		t.Fatal(err)
	}
	<-m.Node().Ended()
	if err := m.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	m.initial = right
	if err := m.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	lives := m.Lives()
	if len(lives) != 3 {
		t.Fatalf("%d lives: %+v", len(lives), lives)
	}
	for i, want := range []Life{{Killed: true, ExitCode: -1}, {ExitCode: 2}, {Stopped: true}} {
		got := lives[i]
		if got.Killed != want.Killed || got.Stopped != want.Stopped || got.ExitCode != want.ExitCode || !got.Ended.After(got.Started) {
			t.Errorf("life %d is %+v", i, got)
		}
		if i > 0 && (got.LogFrom <= lives[i-1].LogFrom || got.Started.Before(lives[i-1].Ended)) {
			t.Errorf("life %d is %+v, the one before %+v", i, got, lives[i-1])
		}
	}
}
