package interop

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

var clients = []lab.Kind{lab.Etcd, lab.Quoin}

// TestClientsShareLocks has etcd's client and quoin's contend for the same names, at different members of one cluster, of
// etcd and of the server under test. Each holds while the other waits, and each waits for its like.
func TestClientsShareLocks(t *testing.T) {
	t.Parallel()
	for _, server := range slices.Compact([]lab.Kind{lab.Etcd, lab.Subject(t)}) {
		t.Run("at-"+string(server), func(t *testing.T) {
			t.Parallel()
			members := lab.StartCluster(t, server, server, server).Members
			for _, holder := range clients {
				for _, waiter := range clients {
					t.Run(fmt.Sprintf("%s-then-%s", holder, waiter), func(t *testing.T) {
						s := &sharing{
							t: t, m: members[2], name: fmt.Sprintf("%s/%s/", holder, waiter),
							a: newParty(t, holder, members[0], 60), b: newParty(t, waiter, members[1], 60),
						}
						s.mutex()
						s.rwmutex()
						s.election()
						s.death(holder, waiter, members)
					})
				}
			}
			t.Run("all-at-once", func(t *testing.T) { contend(t, members) })
			t.Run("in-turn", func(t *testing.T) { takeTurns(t, members) })
			t.Run("keys", func(t *testing.T) { compareLayouts(t, members) })
		})
	}
}

// sharing is two parties and a member at which their keys are seen.
type sharing struct {
	t    *testing.T
	m    *lab.Member
	name string
	a, b party
}

// waitFor waits until a number of keys have a prefix.
func waitFor(t *testing.T, m *lab.Member, prefix string, n int64) {
	t.Helper()
	ctx, client := deadline(t), pb.NewKVClient(m.Conn(t))
	for {
		r, err := client.Range(ctx, &pb.RangeRequest{
			Key: []byte(prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(prefix)), CountOnly: true,
		})
		if err != nil {
			t.Fatalf("waiting for %d keys below %s: %v", n, prefix, err)
		}
		if r.Count == n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *sharing) mutex() {
	t, name := s.t, s.name+"mutex"
	t.Helper()
	s.a.begin(t, "lock", name, "").must(t)
	if _, err := s.b.begin(t, "trylock", name, "").result(t); err == nil || err.Error() != "mutex: Locked by another session" {
		t.Errorf("a lock that is held: %v", err)
	}
	waiting := s.b.begin(t, "lock", name, "")
	waitFor(t, s.m, name+"/", 2)
	waiting.waits(t)
	s.a.begin(t, "unlock", name, "").must(t)
	waiting.must(t)
	if _, err := s.a.begin(t, "trylock", name, "").result(t); err == nil || err.Error() != "mutex: Locked by another session" {
		t.Errorf("a lock that the other one holds now: %v", err)
	}
	s.b.begin(t, "unlock", name, "").must(t)
	s.a.begin(t, "trylock", name, "").must(t)
	s.a.begin(t, "unlock", name, "").must(t)
	waitFor(t, s.m, name+"/", 0)
}

func (s *sharing) rwmutex() {
	t, name := s.t, s.name+"rwmutex"
	t.Helper()
	s.a.begin(t, "rlock", name, "").must(t)
	s.b.begin(t, "rlock", name, "").must(t)
	s.b.begin(t, "runlock", name, "").must(t)
	writes := s.b.begin(t, "wlock", name, "")
	waitFor(t, s.m, name+"/", 2)
	writes.waits(t)
	s.a.begin(t, "runlock", name, "").must(t)
	writes.must(t)
	reads := s.a.begin(t, "rlock", name, "")
	waitFor(t, s.m, name+"/", 2)
	reads.waits(t)
	s.b.begin(t, "wunlock", name, "").must(t)
	reads.must(t)
	s.a.begin(t, "runlock", name, "").must(t)
	s.a.begin(t, "wlock", name, "").must(t)
	writes = s.b.begin(t, "wlock", name, "")
	waitFor(t, s.m, name+"/", 2)
	writes.waits(t)
	s.a.begin(t, "wunlock", name, "").must(t)
	writes.must(t)
	s.b.begin(t, "wunlock", name, "").must(t)
	waitFor(t, s.m, name+"/", 0)
}

func (s *sharing) election() {
	t, name := s.t, s.name+"election"
	t.Helper()
	leads := func(by party, want string) {
		t.Helper()
		if got := by.begin(t, "leader", name, "").must(t); got != want {
			t.Errorf("%q leads, expected %q", got, want)
		}
	}
	s.a.begin(t, "campaign", name, "first").must(t)
	leads(s.b, "first")
	second := s.b.begin(t, "campaign", name, "second")
	waitFor(t, s.m, name+"/", 2)
	s.a.begin(t, "proclaim", name, "first, still").must(t)
	leads(s.b, "first, still")
	second.waits(t)
	s.a.begin(t, "resign", name, "").must(t)
	second.must(t)
	leads(s.a, "second")
	if _, err := s.a.begin(t, "proclaim", name, "late").result(t); err == nil || err.Error() != "election: not leader" {
		t.Errorf("a former leader proclaims: %v", err)
	}
	s.b.begin(t, "resign", name, "").must(t)
	if _, err := s.a.begin(t, "leader", name, "").result(t); err == nil || err.Error() != "election: no leader" {
		t.Errorf("after the last one: %v", err)
	}
}

// death lets a holder end without a farewell: the other one gets what it held, once its lease is over.
func (s *sharing) death(holder, waiter lab.Kind, members []*lab.Member) {
	t, name := s.t, s.name+"death"
	t.Helper()
	dying, heir := newParty(t, holder, members[0], shortTTL), newParty(t, waiter, members[1], 60)
	dying.begin(t, "lock", name+"/mutex", "").must(t)
	dying.begin(t, "wlock", name+"/rw", "").must(t)
	dying.begin(t, "campaign", name+"/election", "dying").must(t)
	var inherited []*deed
	for verb, what := range map[string]string{"lock": "/mutex", "rlock": "/rw", "campaign": "/election"} {
		inherited = append(inherited, heir.begin(t, verb, name+what, "heir"))
	}
	waitFor(t, s.m, name, 6)
	dying.die(t)
	for _, d := range inherited {
		d.must(t)
	}
	if got := s.a.begin(t, "leader", name+"/election", "").must(t); got != "heir" {
		t.Errorf("%q leads", got)
	}
}

// contend has four parties count under one lock, and write and read two keys under one lock for writers and readers.
func contend(t *testing.T, members []*lab.Member) {
	const turns = 20
	var deeds []*deed
	for i := range 4 {
		p := newParty(t, clients[i%2], members[i%len(members)], 60)
		deeds = append(deeds, p.begin(t, "count", "contend", strconv.Itoa(turns)), p.begin(t, "pair", "contend-rw", strconv.Itoa(turns)))
	}
	for _, d := range deeds {
		d.must(t)
	}
	r, err := pb.NewKVClient(members[0].Conn(t)).Range(deadline(t), &pb.RangeRequest{Key: []byte("contend.count")})
	check(t, err)
	if len(r.Kvs) != 1 || string(r.Kvs[0].Value) != strconv.Itoa(4*turns) || r.Kvs[0].Version != 4*turns {
		t.Errorf("after %d turns the number is %v", 4*turns, r.Kvs)
	}
}

// takeTurns has candidates of both clients lead in the order in which they came.
func takeTurns(t *testing.T, members []*lab.Member) {
	var parties []party
	var campaigns []*deed
	for i := range 6 {
		p := newParty(t, clients[i/2%2], members[i%len(members)], 60)
		parties = append(parties, p)
		campaigns = append(campaigns, p.begin(t, "campaign", "turns", strconv.Itoa(i)))
		waitFor(t, members[0], "turns/", int64(i+1))
	}
	for i, p := range parties {
		campaigns[i].must(t)
		if got := p.begin(t, "leader", "turns", "").must(t); got != strconv.Itoa(i) {
			t.Errorf("%s leads, expected %d", got, i)
		}
		for _, later := range campaigns[i+1:] {
			later.waits(t)
		}
		p.begin(t, "resign", "turns", "").must(t)
	}
}

// compareLayouts holds together the keys that both clients write, but for their leases and numbers of their choice.
func compareLayouts(t *testing.T, members []*lab.Member) {
	number := regexp.MustCompile(`[0-9]+$`)
	for verb, value := range map[string]string{"lock": "", "rlock": "", "wlock": "", "campaign": "value"} {
		var layouts [2]string
		for i, client := range clients {
			p, name := newParty(t, client, members[i], 60), "layout/"+verb
			p.begin(t, verb, name, value).must(t)
			r, err := pb.NewKVClient(members[2].Conn(t)).Range(deadline(t), &pb.RangeRequest{
				Key: []byte(name), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(name)),
			})
			check(t, err)
			for _, kv := range r.Kvs {
				key := strings.ReplaceAll(string(kv.Key), fmt.Sprintf("%x", kv.Lease), "LEASE")
				layouts[i] += fmt.Sprintf("%s=%q version %d, lease %v\n", number.ReplaceAllString(key, "NUMBER"), kv.Value, kv.Version, kv.Lease != 0)
			}
			_, err = pb.NewLeaseClient(members[2].Conn(t)).LeaseRevoke(deadline(t), &pb.LeaseRevokeRequest{ID: r.Kvs[0].Lease})
			check(t, err)
		}
		if layouts[0] != layouts[1] {
			t.Errorf("%s: etcd's client writes\n%squoin's\n%s", verb, layouts[0], layouts[1])
		}
	}
}
