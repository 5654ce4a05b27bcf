package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/quoin/e2e/interop/lab"
)

// succeeding repeats a call until it succeeds: a change of membership waits until members are connected for long enough, and
// a promotion until the learner has caught up.
func succeeding[T any](t *testing.T, call func() (T, error)) T {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		v, err := call()
		if err == nil {
			return v
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func addMember(t *testing.T, at, m *lab.Member, learner bool) uint64 {
	t.Helper()
	added := succeeding(t, func() (*pb.MemberAddResponse, error) {
		response, err := pb.NewClusterClient(at.Conn(t)).MemberAdd(deadline(t), &pb.MemberAddRequest{PeerURLs: []string{m.PeerURL}, IsLearner: learner})
		// One of these comes if the answer to an earlier attempt was lost.
		if err == nil || !strings.Contains(err.Error(), "Peer URLs already exists") && !strings.Contains(err.Error(), "not enough started members") {
			return response, err
		}
		list := membersOf(t, at)
		i := slices.IndexFunc(list, func(one *pb.Member) bool { return slices.Contains(one.PeerURLs, m.PeerURL) })
		if i < 0 {
			return nil, err
		}
		return &pb.MemberAddResponse{Member: list[i], Members: list}, nil
	})
	m.Joins(added.Members)
	return added.Member.ID
}

// membersOf are the members as one of them lists them.
func membersOf(t *testing.T, m *lab.Member) []*pb.Member {
	t.Helper()
	return succeeding(t, func() (*pb.MemberListResponse, error) {
		return pb.NewClusterClient(m.Conn(t)).MemberList(deadline(t), &pb.MemberListRequest{Linearizable: true})
	}).Members
}

// promoteMember promotes a learner once it has caught up.
func promoteMember(t *testing.T, at *lab.Member, id uint64) {
	t.Helper()
	lost := false
	succeeding(t, func() (*pb.MemberPromoteResponse, error) {
		response, err := pb.NewClusterClient(at.Conn(t)).MemberPromote(deadline(t), &pb.MemberPromoteRequest{ID: id})
		if lost && err != nil && strings.Contains(err.Error(), "can only promote a learner") {
			return &pb.MemberPromoteResponse{}, nil // by an earlier attempt
		}
		lost = lost || err != nil && !strings.Contains(err.Error(), "in sync with leader")
		return response, err
	})
}

func removeMember(t *testing.T, at *lab.Member, id uint64) {
	t.Helper()
	succeeding(t, func() (*pb.MemberRemoveResponse, error) {
		response, err := pb.NewClusterClient(at.Conn(t)).MemberRemove(deadline(t), &pb.MemberRemoveRequest{ID: id})
		if err != nil && strings.Contains(err.Error(), "member not found") {
			return &pb.MemberRemoveResponse{}, nil // the answer to an earlier attempt was lost
		}
		return response, err
	})
}

// listed are the members as one of them lists them, one a line.
func listed(t *testing.T, m *lab.Member) string {
	t.Helper()
	var lines []string
	for _, one := range membersOf(t, m) {
		lines = append(lines, fmt.Sprintf("%x %s %v %v %v", one.ID, one.Name, one.PeerURLs, one.ClientURLs, one.IsLearner))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// awaitName waits until a new member has published its name. One that waited long for a leader answers before.
func awaitName(t *testing.T, m *lab.Member) {
	t.Helper()
	eventually(t, m.Name+" is listed by its name", func() bool { return strings.Contains(listed(t, m), " "+m.Name+" ") })
}

func expectEqualLists(t *testing.T, members ...*lab.Member) string {
	t.Helper()
	want := listed(t, members[0])
	for _, m := range members[1:] {
		if got := listed(t, m); got != want {
			t.Errorf("%s (%s) lists\n%s\n%s (%s) lists\n%s", members[0].Name, members[0].Kind, want, m.Name, m.Kind, got)
		}
	}
	return want
}

// TestMembersOfMixedClusters changes the members of clusters of etcd and the server under test: with either as leader, through
// leader and followers, with learners of either kind. Promotions cross the peer port from one kind to the other.
func TestMembersOfMixedClusters(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, kinds := range [][]lab.Kind{{lab.Etcd, lab.Etcd, subject}, {subject, subject, lab.Etcd}} {
		for _, leads := range []lab.Kind{lab.Etcd, subject} {
			t.Run(fmt.Sprintf("%s-%s-%s led by %s", kinds[0], kinds[1], kinds[2], leads), func(t *testing.T) {
				t.Parallel()
				c := lab.StartCluster(t, kinds...)
				keys := 0
				for _, kind := range []lab.Kind{subject, lab.Etcd} {
					for _, through := range []string{"leader", "follower"} {
						leader := lead(t, c, leads)
						at := leader
						if through == "follower" {
							at = others(c.Members, leader)[0]
							if at.Kind == leader.Kind {
								at = others(c.Members, leader)[1]
							}
						}
						comeAndGo(t, c, at, kind)
						putUntil(t, lab.Client(t, at), fmt.Sprint("mixed/", keys))
						keys++
					}
				}
				expectEqualMembers(t, c.Members, "mixed/", keys)
				before := expectEqualLists(t, c.Members...)
				for _, m := range c.Members {
					m.Kill(t)
				}
				c.Start(t, kinds...)
				if after := expectEqualLists(t, c.Members...); after != before {
					t.Errorf("after a restart the members are\n%s\nbefore they were\n%s", after, before)
				}
			})
		}
	}
}

// comeAndGo adds a learner of a kind through one member, promotes it, moves it to another URL, and removes it again.
func comeAndGo(t *testing.T, c *lab.Cluster, at *lab.Member, kind lab.Kind) {
	t.Helper()
	client := pb.NewClusterClient(at.Conn(t))
	m := c.Newcomer(t)
	id := addMember(t, at, m, true)
	succeeding(t, func() (struct{}, error) { // the leader may have to apply it yet
		_, err := client.MemberPromote(deadline(t), &pb.MemberPromoteRequest{ID: id})
		if err == nil {
			t.Fatal("a learner that was never started is promoted")
		}
		if !strings.Contains(err.Error(), "in sync with leader") {
			return struct{}{}, fmt.Errorf("promotion of a learner that was never started: %w", err)
		}
		return struct{}{}, nil
	})
	m.StartLearner(t, kind)
	promoteMember(t, at, id)
	all := append(slices.Clone(c.Members), m)
	for _, one := range all { // until the promotion is applied everywhere
		succeeding(t, func() (*pb.RangeResponse, error) {
			return pb.NewKVClient(one.Conn(t)).Range(deadline(t), everything(0))
		})
	}
	expectEqualLists(t, all...)
	succeeding(t, func() (*pb.MemberUpdateResponse, error) {
		return client.MemberUpdate(deadline(t), &pb.MemberUpdateRequest{
			ID: id, PeerURLs: []string{strings.Replace(m.PeerURL, "127.0.0.1", "localhost", 1)},
		})
	})
	expectEqualLists(t, all...)
	putUntil(t, lab.Client(t, m), "through-the-newcomer")
	removeMember(t, at, id)
	m.AwaitEnd(t)
	expectEqualLists(t, c.Members...)
}

// TestMemberRules sends the same changes to a cluster of etcd and to one of the server under test, and compares what is refused
// and why.
func TestMemberRules(t *testing.T) {
	subject := lab.Subject(t)
	t.Parallel()
	var said [2][]string
	t.Run("kinds", func(t *testing.T) {
		for i, kind := range []lab.Kind{lab.Etcd, subject} {
			t.Run(string(kind), func(t *testing.T) {
				t.Parallel()
				said[i] = memberRules(t, lab.StartCluster(t, kind, kind, kind))
			})
		}
	})
	if a, b := strings.Join(said[0], "\n"), strings.Join(said[1], "\n"); a != b {
		t.Errorf("etcd says\n%s\n%s says\n%s", a, subject, b)
	}
}

func memberRules(t *testing.T, c *lab.Cluster) (said []string) {
	t.Helper()
	leader := leaderOf(t, c.Members...)
	followers := others(c.Members, leader)
	note := func(what string, err error) {
		said = append(said, fmt.Sprint(what, ": ", err))
	}
	healthy := true
	at := func(m *lab.Member) pb.ClusterClient {
		listed(t, m) // etcd decides by what the member has applied, and may let a change pass that the one before forbids
		awaitHealth(t, m, healthy)
		return pb.NewClusterClient(m.Conn(t))
	}
	add := func(what string, m *lab.Member, learner bool, urls ...string) uint64 {
		response, err := at(m).MemberAdd(deadline(t), &pb.MemberAddRequest{PeerURLs: urls, IsLearner: learner})
		note(what, err)
		return response.GetMember().GetID()
	}
	remove := func(what string, m *lab.Member, id uint64) {
		_, err := at(m).MemberRemove(deadline(t), &pb.MemberRemoveRequest{ID: id})
		note(what, err)
	}
	promote := func(what string, m *lab.Member, id uint64) {
		_, err := at(m).MemberPromote(deadline(t), &pb.MemberPromoteRequest{ID: id})
		note(what, err)
	}
	update := func(what string, m *lab.Member, id uint64, urls ...string) {
		_, err := at(m).MemberUpdate(deadline(t), &pb.MemberUpdateRequest{ID: id, PeerURLs: urls})
		note(what, err)
	}
	id := addMember(t, leader, &lab.Member{PeerURL: "http://127.0.0.1:1"}, true)
	add("a second learner", leader, true, "http://127.0.0.1:2")
	add("a taken URL", followers[0], false, leader.PeerURL)
	add("no URL", leader, false)
	add("a bad URL", leader, false, "bad")
	add("a URL with a path", leader, false, "http://127.0.0.1:3/x")
	promote("never started, by the leader", leader, id)
	promote("never started, by a follower", followers[0], id)
	promote("a voter, by a follower", followers[0], idOf(t, leader))
	promote("nobody, by a follower", followers[1], 77)
	update("nobody", leader, 77, "http://127.0.0.1:4")
	update("to its own URL", leader, id, "http://127.0.0.1:1")
	update("to a taken URL", followers[0], id, leader.PeerURL)
	remove("nobody", leader, 77)
	remove("the learner", followers[0], id)
	remove("the learner again", leader, id)
	promote("a removed one", followers[0], id)
	update("a removed one", leader, id, "http://127.0.0.1:5")
	first := add("a voter", leader, false, "http://127.0.0.1:6")
	second := add("a second voter that is not started", followers[0], false, "http://127.0.0.1:7")
	add("a third voter that is not started", leader, false, "http://127.0.0.1:8")
	remove("a started one, with two that are not", leader, idOf(t, followers[0]))
	remove("one that is not started", followers[0], first)
	remove("the other that is not started", leader, second)
	move := func(what string, m *lab.Member, target uint64) {
		_, err := pb.NewMaintenanceClient(m.Conn(t)).MoveLeader(deadline(t), &pb.MoveLeaderRequest{TargetID: target})
		note(what, err)
	}
	leader = leaderOf(t, c.Members...) // which may be another one by now
	followers = others(c.Members, leader)
	move("leadership by a follower", followers[0], idOf(t, followers[1]))
	move("leadership to nobody", leader, 77)
	move("leadership to itself", leader, idOf(t, leader))
	followers[0].Kill(t)
	healthy = false
	add("a voter, with one down", leader, false, "http://127.0.0.1:9")
	add("a learner, with one down", leader, true, "http://127.0.0.1:9")
	remove("one that is up, with one down", leader, idOf(t, followers[1]))
	return said
}

// awaitHealth waits until a member finds its cluster healthy or not: each goes by its own connections, and by how long they last.
// It asks for a change that nobody allows.
func awaitHealth(t *testing.T, m *lab.Member, healthy bool) {
	t.Helper()
	succeeding(t, func() (struct{}, error) {
		_, err := pb.NewClusterClient(m.Conn(t)).MemberAdd(deadline(t), &pb.MemberAddRequest{PeerURLs: []string{m.PeerURL}})
		switch {
		case err == nil:
			t.Fatalf("%s added its own URL again", m.Kind)
		case healthy && status.Code(err) == codes.Unavailable, !healthy && !strings.Contains(err.Error(), "unhealthy cluster"):
			return struct{}{}, fmt.Errorf("healthy was to be %v: %w", healthy, err)
		}
		return struct{}{}, nil
	})
}

// TestForcedDirectoriesChangeHands loses a cluster of one kind but for one directory, lets either kind go on from it alone, and
// opens what it leaves with the other.
func TestForcedDirectoriesChangeHands(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, by := range []lab.Kind{lab.Etcd, subject} {
		for _, forcing := range []lab.Kind{lab.Etcd, subject} {
			t.Run(fmt.Sprintf("of %s, forced by %s", by, forcing), func(t *testing.T) {
				t.Parallel()
				c := lab.PrepareCluster(t, 3, "--snapshot-count=100", "--snapshot-catchup-entries=50")
				c.Start(t, by, by, by)
				w := newWriter(seed(t))
				w.write(t, c.Members[0], 500)
				addMember(t, c.Members[1], &lab.Member{PeerURL: "http://127.0.0.1:1"}, true)
				w.write(t, c.Members[1], 50)
				leaderOf(t, c.Members...)
				survivor := c.Members[2]
				succeeding(t, func() (*pb.RangeResponse, error) {
					return pb.NewKVClient(survivor.Conn(t)).Range(deadline(t), everything(0))
				})
				before := readState(t, survivor, w.compacted)
				id := idOf(t, survivor)
				// Forced etcd drops what is not committed by its log, which says so late unless it is closed in order.
				survivor.Stop(t)
				for _, m := range c.Members[:2] {
					m.Kill(t)
				}
				survivor.StartWith(t, forcing, "--force-new-cluster")
				for _, next := range []lab.Kind{subject, lab.Etcd, subject} {
					expectState(t, survivor, before)
					if list := listed(t, survivor); strings.Count(list, "\n") != 0 || !strings.HasPrefix(list, fmt.Sprintf("%x ", id)) {
						t.Errorf("%s lists\n%s", survivor.Kind, list)
					}
					survivor.Kill(t)
					survivor.Start(t, next)
				}
				m := c.Newcomer(t)
				addMember(t, survivor, m, false)
				m.Start(t, lab.Etcd)
				awaitName(t, m)
				expectEqualLists(t, survivor, m)
				expectState(t, m, before)
			})
		}
	}
}
