package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/status"

	"quoin.dev/quoin/e2e/interop/lab"
)

const versionTimeout = time.Minute

// speak waits until members speak a version, and their files are for it.
func speak(t *testing.T, want string, members ...*lab.Member) {
	t.Helper()
	for _, m := range members {
		var got struct{ Etcdserver, Etcdcluster, Storage string }
		for end := time.Now().Add(versionTimeout); got.Etcdcluster != want || got.Storage != want; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s (%s) speaks %+v after %v, expected %s", m.Name, m.Kind, got, versionTimeout, want)
			}
			response, err := http.Get(m.PeerURL + "/version")
			if err != nil {
				continue
			}
			if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
		s := memberStatus(t, m)
		// A server of 3.6 tells another version of itself than of its file.
		if s.StorageVersion != want {
			t.Errorf("%s (%s): the status has storage version %s, expected %s", m.Name, m.Kind, s.StorageVersion, want)
		}
	}
}

func memberStatus(t *testing.T, m *lab.Member) *pb.StatusResponse {
	t.Helper()
	s, err := pb.NewMaintenanceClient(m.Conn(t)).Status(t.Context(), &pb.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func downgrade(t *testing.T, m *lab.Member, action pb.DowngradeRequest_DowngradeAction, target string) string {
	t.Helper()
	r, err := pb.NewMaintenanceClient(m.Conn(t)).Downgrade(deadline(t), &pb.DowngradeRequest{Action: action, Version: target})
	if err != nil {
		s := status.Convert(err)
		return fmt.Sprintf("%s: %s", s.Code(), s.Message())
	}
	if r.Header.GetMemberId() == 0 || r.Header.GetClusterId() == 0 || r.Header.GetRevision() == 0 || r.Header.GetRaftTerm() == 0 {
		t.Errorf("%s: incomplete header %v", m.Kind, r.Header)
	}
	return "version " + r.Version
}

// TestDowngradeCalls makes the same calls to quoin and to etcd.
func TestDowngradeCalls(t *testing.T) {
	t.Parallel()
	const validate, enable, cancel = pb.DowngradeRequest_VALIDATE, pb.DowngradeRequest_ENABLE, pb.DowngradeRequest_CANCEL
	type call struct {
		action pb.DowngradeRequest_DowngradeAction
		target string
	}
	script := []struct {
		speaks string // before the calls
		calls  []call
	}{
		{"3.7.0", []call{
			{validate, "3.6"}, {validate, "3.6.0"}, {validate, "3.6.1"}, {validate, "3.6.1-rc.1"}, {validate, "03.6"}, {validate, "3.7"}, {validate, "3.5"},
			{validate, "3.8"}, {validate, "4.6"}, {validate, ""}, {validate, "3"}, {validate, "v3.6"}, {validate, "3.6."}, {validate, "3.6.1.2"},
			{validate, " 3.6"}, {validate, "abc"}, {cancel, ""}, {cancel, "3.6"}, {7, "3.6"}, {enable, "x"}, {enable, "3.5"}, {enable, "3.6.1"},
		}},
		{"3.6.0", []call{{validate, "3.6"}, {enable, "3.6"}, {validate, "3.5"}, {enable, "3.5"}, {validate, "x"}, {cancel, ""}}},
		{"3.7.0", []call{{validate, "3.6"}, {cancel, ""}}},
	}
	run := func(kind lab.Kind) (answers []string) {
		m := lab.StartOne(t, kind)
		for _, part := range script {
			speak(t, part.speaks, m)
			answers = append(answers, memberStatus(t, m).DowngradeInfo.String())
			for _, c := range part.calls {
				answers = append(answers, fmt.Sprintf("%s %q: %s", c.action, c.target, downgrade(t, m, c.action, c.target)))
			}
		}
		return answers
	}
	ours, theirs := run(lab.Subject(t)), run(lab.Etcd)
	for i := range ours {
		if ours[i] != theirs[i] {
			t.Errorf("got  %s\nwant %s", ours[i], theirs[i])
		}
	}
}

// TestDowngradeMixedCluster goes down and up again, once with each kind of leader.
func TestDowngradeMixedCluster(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	c := lab.PrepareCluster(t, 3, patient...)
	c.Start(t, subject, lab.Etcd, subject)
	speak(t, "3.7.0", c.Members...)
	for _, kind := range []lab.Kind{subject, lab.Etcd} {
		leader := lead(t, c, kind)
		other := others(c.Members, leader)[0]
		if got := downgrade(t, other, pb.DowngradeRequest_ENABLE, "3.6"); got != "version 3.7" {
			t.Fatalf("enable, with %s: %s", other.Kind, got)
		}
		speak(t, "3.6.0", c.Members...)
		for _, m := range c.Members {
			putKey(t, m, "down/"+m.Name)
			if d := memberStatus(t, m).DowngradeInfo; !d.GetEnabled() || d.GetTargetVersion() != "3.6.0" {
				t.Errorf("%s (%s): %v", m.Name, m.Kind, d)
			}
			m.AwaitLog(t, "The server is ready to downgrade")
		}
		if got := downgrade(t, leader, pb.DowngradeRequest_CANCEL, ""); got != "version 3.6" {
			t.Fatalf("cancel, with %s: %s", leader.Kind, got)
		}
		speak(t, "3.7.0", c.Members...)
		for _, m := range c.Members {
			putKey(t, m, "up/"+m.Name)
		}
	}
	equalContent(t, c.Members...)
}

func putKey(t *testing.T, m *lab.Member, key string) {
	t.Helper()
	succeeding(t, func() (*pb.PutResponse, error) {
		return pb.NewKVClient(m.Conn(t)).Put(deadline(t), &pb.PutRequest{Key: []byte(key), Value: []byte(m.Kind)})
	})
}

// equalContent compares the hashes of members, once all have the last write.
func equalContent(t *testing.T, members ...*lab.Member) {
	t.Helper()
	var want *pb.HashKVResponse
	headOf(t, members)
	for _, m := range members {
		h, err := pb.NewMaintenanceClient(m.Conn(t)).HashKV(t.Context(), &pb.HashKVRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = h
		}
		if h.Hash != want.Hash || h.Header.Revision != want.Header.Revision {
			t.Errorf("%s (%s) has hash %d at revision %d, %s has %d at %d", m.Name, m.Kind, h.Hash, h.Header.Revision,
				members[0].Name, want.Hash, want.Header.Revision)
		}
	}
}

// TestDowngradeToTheVersionBefore replaces all members by etcd 3.6, one at a time and with the directories they have, and then
// all of them by quoin again. Nothing is lost, and somebody serves all the time.
func TestDowngradeToTheVersionBefore(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	lab.Binary(t, string(lab.Etcd36)) // skips where it can not be had
	c := lab.StartCluster(t, subject, subject, subject)
	speak(t, "3.7.0", c.Members...)
	for seed, m := range c.Members {
		newWriter(uint64(seed)).write(t, m, 150)
	}
	if got := downgrade(t, c.Members[0], pb.DowngradeRequest_ENABLE, "3.6"); got != "version 3.7" {
		t.Fatal(got)
	}
	speak(t, "3.6.0", c.Members...)
	for _, m := range c.Members {
		m.AwaitLog(t, "The server is ready to downgrade")
		m.Stop(t)
		m.Start(t, lab.Etcd36)
		putKey(t, m, "down/"+m.Name)
		equalContent(t, c.Members...)
	}
	// Now all run the target, so the leader ends the job; else the next members would not raise the version again.
	awaitNoJob(t, c.Members...)
	speak(t, "3.6.0", c.Members...)
	for _, m := range c.Members {
		m.Stop(t)
		m.Start(t, subject)
		putKey(t, m, "up/"+m.Name)
		equalContent(t, c.Members...)
	}
	speak(t, "3.7.0", c.Members...)
	for _, m := range c.Members {
		for _, other := range c.Members {
			for _, way := range []string{"down/", "up/"} {
				r := succeeding(t, func() (*pb.RangeResponse, error) {
					return pb.NewKVClient(m.Conn(t)).Range(deadline(t), &pb.RangeRequest{Key: []byte(way + other.Name)})
				})
				if len(r.Kvs) != 1 {
					t.Errorf("%s has not %s%s: %v", m.Name, way, other.Name, r)
				}
			}
		}
	}
}

func awaitNoJob(t *testing.T, members ...*lab.Member) {
	t.Helper()
	for _, m := range members {
		for end := time.Now().Add(versionTimeout); memberStatus(t, m).DowngradeInfo.GetEnabled(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s (%s) still has a downgrade job after %v", m.Name, m.Kind, versionTimeout)
			}
		}
	}
}

// TestDowngradeOfOne lets etcd 3.6 continue a directory of quoin that was killed as soon as it was ready for that, and quoin
// continue what etcd 3.6 left. etcd 3.7 says that it is ready before its file is, so that one is stopped in order.
func TestDowngradeOfOne(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	lab.Binary(t, string(lab.Etcd36))
	m := lab.StartOne(t, subject)
	speak(t, "3.7.0", m)
	newWriter(7).write(t, m, 200)
	before, err := pb.NewMaintenanceClient(m.Conn(t)).HashKV(t.Context(), &pb.HashKVRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := downgrade(t, m, pb.DowngradeRequest_ENABLE, "3.6.16"); got != "version 3.7" {
		t.Fatal(got)
	}
	m.AwaitLog(t, "The server is ready to downgrade")
	if subject == lab.Quoin {
		m.Kill(t)
	} else {
		m.Stop(t)
	}
	m.Start(t, lab.Etcd36)
	after, err := pb.NewMaintenanceClient(m.Conn(t)).HashKV(t.Context(), &pb.HashKVRequest{Revision: before.Header.Revision})
	if err != nil {
		t.Fatal(err)
	}
	if after.Hash != before.Hash {
		t.Errorf("etcd 3.6 reads other keys than were written: hash %d, expected %d", after.Hash, before.Hash)
	}
	awaitNoJob(t, m)
	putKey(t, m, "down")
	m.Stop(t)
	m.Start(t, subject)
	speak(t, "3.7.0", m)
	putKey(t, m, "up")
}

// TestJoinAcrossVersions adds a member of one version to a cluster that another one runs. It gets a snapshot, since the log is
// short; then it leads.
func TestJoinAcrossVersions(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	lab.Binary(t, string(lab.Etcd36))
	for _, way := range []struct{ running, joining lab.Kind }{{lab.Etcd36, subject}, {subject, lab.Etcd36}} {
		t.Run(fmt.Sprintf("%s-%s", way.running, way.joining), func(t *testing.T) {
			t.Parallel()
			short := []string{"--snapshot-count=20", "--snapshot-catchup-entries=5"}
			running := lab.StartOne(t, way.running, short...)
			if way.running == subject {
				speak(t, "3.7.0", running)
				if got := downgrade(t, running, pb.DowngradeRequest_ENABLE, "3.6"); got != "version 3.7" {
					t.Fatal(got)
				}
			}
			speak(t, "3.6.0", running)
			newWriter(3).write(t, running, 200)
			c := lab.PrepareCluster(t, 1, short...)
			joining := c.Members[0]
			c.Discover("--name=new", "--initial-cluster-state=existing", "--initial-cluster-token="+lab.Token,
				"--initial-cluster=m0="+running.PeerURL+",new="+joining.PeerURL)
			if _, err := pb.NewClusterClient(running.Conn(t)).MemberAdd(deadline(t), &pb.MemberAddRequest{PeerURLs: []string{joining.PeerURL}}); err != nil {
				t.Fatal(err)
			}
			c.Start(t, way.joining)
			joining.AwaitLog(t, "applied snapshot")
			both := &lab.Cluster{Members: []*lab.Member{running, joining}}
			for _, kind := range []lab.Kind{way.joining, way.running} {
				lead(t, both, kind)
				for _, m := range both.Members {
					putKey(t, m, fmt.Sprintf("%s while %s leads", m.Kind, kind))
				}
			}
			equalContent(t, both.Members...)
			speak(t, "3.6.0", both.Members...)
		})
	}
}
