package interop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestQuoinsClient runs programs on quoin's client against etcd and against the server under test. In the middle of each,
// the member that leads is killed: one of three, or the only one, which is back at once then.
func TestQuoinsClient(t *testing.T) {
	t.Parallel()
	for _, kind := range slices.Compact([]lab.Kind{lab.Etcd, lab.Subject(t)}) {
		for _, members := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s-%d", kind, members), func(t *testing.T) {
				t.Parallel()
				c := lab.StartCluster(t, slices.Repeat([]lab.Kind{kind}, members)...)
				for _, scenario := range []string{"watch", "lease", "mutex", "rwmutex", "election", "stm"} {
					t.Run(scenario, func(t *testing.T) { runScenario(t, c, scenario, "-prefix="+scenario+"/") })
				}
				expectEqualMembers(t, c.Members, "nothing/", 0)
			})
		}
	}
}

// TestQuoinsClientWithAuth runs some of them with passwords, as root where they compact or list all leases. Tokens end after a
// second without use, and with the only member, so that watches and renewals of leases obtain new ones.
func TestQuoinsClientWithAuth(t *testing.T) {
	t.Parallel()
	for _, kind := range slices.Compact([]lab.Kind{lab.Etcd, lab.Subject(t)}) {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := lab.PrepareCluster(t, 1, "--bcrypt-cost=4", "--auth-token-ttl=1")
			c.Start(t, kind)
			furnishAuth(t, c.Members[0])
			c.Speak(login("root"))
			for scenario, user := range map[string]string{"watch": "root", "lease": "root", "mutex": "alice"} {
				runScenario(t, c, scenario, "-prefix=w/"+scenario+"/", "-user="+user, "-password="+passwordOf(user))
			}
		})
	}
}

// scenarioSilence is how long a program may go on without a word.
const scenarioSilence = 4 * time.Minute

// runScenario runs a program and makes the trouble that it asks for.
func runScenario(t *testing.T, c *lab.Cluster, scenario string, flags ...string) {
	t.Helper()
	p := lab.StartProgram(t, "coordinate", append(append([]string{"-endpoints=" + endpointsOf(c.Members)}, flags...), scenario)...)
	troubles := 0
	var down *lab.Member
	for {
		line, ok := p.Hear(t, scenarioSilence)
		if !ok {
			break
		}
		switch line {
		case "trouble":
			troubles++
			down = killLeader(t, c)
			if len(c.Members) == 1 {
				down.Start(t, down.Kind)
				p.Say(t, "")
				down = nil
				continue
			}
			leaderOf(t, others(c.Members, down)...)
			p.Say(t, down.Endpoint)
		case "mend":
			if down != nil {
				down.Start(t, down.Kind)
			}
			p.Say(t, "")
		default:
			t.Errorf("the program says %q", line)
		}
	}
	p.End(t)
	if troubles != 1 {
		t.Errorf("%d troubles in the middle of it", troubles)
	}
}

func endpointsOf(members []*lab.Member) string {
	var list []string
	for _, m := range members {
		list = append(list, m.Endpoint)
	}
	return strings.Join(list, ",")
}

func others(members []*lab.Member, not *lab.Member) (list []*lab.Member) {
	for _, m := range members {
		if m != not {
			list = append(list, m)
		}
	}
	return list
}

// leaderOf waits until members agree on a leader among them, and returns it.
func leaderOf(t *testing.T, members ...*lab.Member) *lab.Member {
	t.Helper()
	ctx := deadline(t)
	for {
		byID, said := map[uint64]*lab.Member{}, map[uint64]int{}
		for _, m := range members {
			short, cancel := context.WithTimeout(ctx, 3*time.Second)
			s, err := pb.NewMaintenanceClient(m.Conn(t)).Status(short, &pb.StatusRequest{}, grpc.WaitForReady(true))
			cancel()
			if err == nil {
				byID[s.Header.MemberId] = m
				said[s.Leader]++
			}
		}
		for id, n := range said {
			if n == len(members) && byID[id] != nil {
				return byID[id]
			}
		}
		select {
		case <-ctx.Done():
			t.Fatal("there is no leader")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// killLeader kills the member that leads and returns it.
func killLeader(t *testing.T, c *lab.Cluster) *lab.Member {
	t.Helper()
	m := leaderOf(t, c.Members...)
	m.Kill(t)
	return m
}
