package command_test

import (
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

func TestEndpointCommandsAskTheMembersOfTheList(t *testing.T) {
	s := startServer(t)
	for _, command := range []string{"status", "hashkv"} {
		r := s.run("", "endpoint", command, "--cluster")
		if r.code != 0 || !strings.HasPrefix(r.stdout, "http://"+s.address+", ") {
			t.Errorf("%s: %+v", command, r)
		}
	}
	checkAsked(t, s,
		&pb.MemberListRequest{Linearizable: true}, &pb.StatusRequest{},
		&pb.MemberListRequest{Linearizable: true}, &pb.HashKVRequest{})
}

// One endpoint that is down must not hide the answers of the others.
func TestEndpointCommandsGoOnAfterAFailure(t *testing.T) {
	s := startServer(t)
	down := "127.0.0.1:1"
	for _, c := range []struct{ command, stderr string }{
		{"status", "Failed to get the status of endpoint " + down + " (context deadline exceeded)\n"},
		{"hashkv", "Failed to get the hash of endpoint " + down + " (context deadline exceeded)\nError: context deadline exceeded\n"},
		{"health", down + " is unhealthy: failed to commit proposal: context deadline exceeded\nError: unhealthy cluster\n"},
	} {
		t.Run(c.command, func(t *testing.T) {
			t.Parallel() // the one that is down is waited for
			r := runWith(nil, "", "endpoint", c.command, "--endpoints", down+","+s.address, "--command-timeout=4s")
			if r.code != 1 || r.stderr != c.stderr || !strings.HasPrefix(r.stdout, s.address) || strings.Count(r.stdout, "\n") != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestEndpointsWithoutAnEndpoint(t *testing.T) {
	for _, command := range []string{"status", "hashkv", "health"} {
		if r := runWith(nil, "", "endpoint", command, "--endpoints=", "-w", "json"); r.code != 0 || r.stdout != "null\n" {
			t.Errorf("%s: %+v", command, r)
		}
	}
}

func TestHealth(t *testing.T) {
	s := startServer(t)
	r := s.run("", "endpoint", "health")
	if r.code != 0 || !strings.HasPrefix(r.stdout, s.address+" is healthy: successfully committed proposal: took = ") {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, &pb.RangeRequest{Key: []byte("health")}, &pb.AlarmRequest{})

	s.rangeErr = rpctypes.ErrGRPCPermissionDenied
	if r := s.run("", "endpoint", "health"); r.code != 0 {
		t.Errorf("a refusal takes a quorum too: %+v", r)
	}

	s.rangeErr = rpctypes.ErrGRPCNotSupportedForLearner
	r = s.run("", "endpoint", "health")
	want := s.address + " is unhealthy: failed to commit proposal: etcdserver: rpc not supported for learner\nError: unhealthy cluster\n"
	if r.code != 1 || r.stderr != want || r.stdout != "" {
		t.Errorf("%+v", r)
	}
}

func TestHealthWithAlarms(t *testing.T) {
	s := startServer(t)
	s.alarms = []*pb.AlarmMember{
		{MemberID: 1, Alarm: pb.AlarmType_NOSPACE}, {MemberID: 2, Alarm: pb.AlarmType_CORRUPT}, {MemberID: 3, Alarm: 7},
	}
	r := s.run("", "endpoint", "health")
	want := s.address + " is unhealthy: failed to commit proposal: Active Alarm(s): NOSPACE CORRUPT UNKNOWN \nError: unhealthy cluster\n"
	if r.code != 1 || r.stderr != want {
		t.Errorf("%+v", r)
	}
}
