package command_test

import (
	"encoding/json"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

func TestStatus(t *testing.T) {
	s := startServer(t)
	s.members = []*pb.Member{{ID: 2, Name: "one", ClientURLs: []string{"http://" + s.address}}}
	r := s.run("", "status")
	if want := "healthy: 1 of 1 members with a vote work, none may fail\n\nname  id  endpoint"; r.code != 0 || !strings.HasPrefix(r.stdout, want) || r.stderr != "" {
		t.Errorf("%+v\nwant %q", r, want)
	}
	s.rangeErr = rpctypes.ErrGRPCPermissionDenied
	if r := s.run("", "status", "-w", "table"); r.code != 0 || !strings.HasPrefix(r.stdout, "healthy: ") || !strings.Contains(r.stdout, "│") {
		t.Errorf("a refusal takes a quorum too: %+v", r)
	}
	s.rangeErr = rpctypes.ErrGRPCNoLeader
	r = s.run("", "status", "--command-timeout=4s")
	if want := "unavailable: 1 of 1 members with a vote work, this needs help now\n  a read that takes a quorum failed ("; r.code != 2 || !strings.HasPrefix(r.stdout, want) {
		t.Errorf("%+v\nwant %q", r, want)
	}
}

// Members that do not answer are told at once, whoever was named in --endpoints.
func TestStatusOfAClusterWithMembersThatAreDown(t *testing.T) {
	s := startServer(t)
	down := "127.0.0.1:1"
	s.members = []*pb.Member{
		{ID: 3, Name: "three", ClientURLs: []string{"http://" + down}},
		{ID: 2, Name: "one", ClientURLs: []string{"http://" + s.address}},
		{ID: 4, PeerURLs: []string{"http://h:1"}},
	}
	s.alarms = []*pb.AlarmMember{{MemberID: 2, Alarm: 9}}
	for _, endpoints := range []string{s.address, down + "," + s.address} {
		r := runWith(nil, "", "status", "-w", "json", "--endpoints", endpoints)
		var got struct {
			Verdict                          string
			Voters, Working, Quorum, MayFail int
			Reasons                          []string
			Members                          []struct {
				Name, ID, Role string
				Answers        bool
				DBSize         int64 `json:"db_size"`
				Alarms, Errors []string
			}
		}
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != 1 || r.stderr != "" {
			t.Fatalf("%+v: %v", r, err)
		}
		if got.Verdict != "at risk" || got.Voters != 3 || got.Working != 1 || got.Quorum != 2 || len(got.Reasons) != 3 || len(got.Members) != 3 {
			t.Fatalf("%s", r.stdout)
		}
		fresh, one, three := got.Members[0], got.Members[1], got.Members[2]
		if fresh.Role != "unstarted" || one.Role != "leader" || !one.Answers || one.DBSize != 100 || len(one.Alarms) != 1 ||
			three.Role != "down" || three.ID != "3" || len(three.Errors) != 1 || !strings.Contains(three.Errors[0], "connection refused") {
			t.Errorf("%s", r.stdout)
		}
	}
}

func TestStatusThatCanNotBeTold(t *testing.T) {
	a, b := startServer(t), startServer(t)
	b.members = []*pb.Member{{ID: 2, Name: "b", ClientURLs: []string{"http://" + b.address}}}
	b.cluster = 77
	for _, c := range []struct{ args, stdout, stderr string }{
		{"status --endpoints=127.0.0.1:1", "unavailable: nobody tells who the members are\n  127.0.0.1:1 does not answer (", ""},
		{"status --endpoints=" + a.address + "," + b.address, "", "Error: the endpoints are of different clusters, 1 and 4d: give those of one\n"},
		{"status --endpoints=https://" + a.address, "unavailable: nobody tells who the members are\n  https://" + a.address +
			" does not answer (tls: first record does not look like a TLS handshake; it does not take TLS, write http:// before it)\n", ""},
		{"status extra", "", "Error: status takes no arguments"},
		{"status -w fields --endpoints=" + b.address, "", "Error: fields not supported as output format\n"},
		{"status -w bad", "", "Error: unsupported output format\n"},
	} {
		if r := runWith(nil, "", strings.Fields(c.args)...); r.code != 2 || !strings.HasPrefix(r.stdout, c.stdout) || !strings.HasPrefix(r.stderr, c.stderr) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}

// A learner gives nobody a token, and takes that of another member. One login is enough for all members.
func TestStatusWithAuth(t *testing.T) {
	voter, learner := startServer(t), startServer(t)
	voter.guarded, learner.guarded, learner.loginErr, learner.id = true, true, rpctypes.ErrGRPCNotSupportedForLearner, 3
	voter.members = []*pb.Member{
		{ID: 2, Name: "one", ClientURLs: []string{"http://" + voter.address}},
		{ID: 3, Name: "two", ClientURLs: []string{"http://" + learner.address}, IsLearner: true},
	}
	learner.members = voter.members
	for _, endpoints := range []string{voter.address, learner.address + "," + voter.address, "127.0.0.1:1," + voter.address} {
		if r := runWith(nil, "", "status", "--user=u:p", "--endpoints", endpoints); r.code != 0 || !strings.HasPrefix(r.stdout, "healthy: ") {
			t.Errorf("%s: %+v", endpoints, r)
		}
	}
}

// Whoever is refused has not learned that the cluster is unavailable.
func TestStatusThatIsRefused(t *testing.T) {
	s := startServer(t)
	s.guarded = true
	for _, c := range []struct {
		loginErr error
		flag     string
		stderr   string
	}{
		{nil, "--hex", " does not tell how the cluster is: etcdserver: user name is empty; give --user\n"},
		{rpctypes.ErrGRPCAuthFailed, "--user=u:wrong", " does not tell how the cluster is: etcdserver: authentication failed, invalid user ID or password\n"},
	} {
		s.loginErr = c.loginErr
		if r := s.run("", "status", c.flag); r.code != 2 || r.stdout != "" || r.stderr != "Error: "+s.address+c.stderr {
			t.Errorf("%s: %+v", c.flag, r)
		}
	}
	s.loginErr = rpctypes.ErrGRPCTimeout
	if r := s.run("", "status", "--user=u:p"); r.code != 2 || !strings.HasPrefix(r.stdout, "unavailable: nobody tells who the members are\n  "+s.address+" lets nobody log in (etcdserver: request timed out)") {
		t.Errorf("%+v", r)
	}
}
