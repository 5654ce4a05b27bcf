package command_test

import (
	"context"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/ctl/command"
)

// first is the answer of a member to the first in a line, whose key the revision of header creates.
func first() *pb.TxnResponse {
	own := &pb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Key: []byte("l/1f"), CreateRevision: header.Revision}}}
	return &pb.TxnResponse{Header: header, Succeeded: true, Responses: []*pb.ResponseOp{
		{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}},
		{Response: &pb.ResponseOp_ResponseRange{ResponseRange: own}},
	}}
}

// interrupted is a process that is asked to stop as soon as it can be.
func interrupted(s *server, args ...string) command.Process {
	return command.Process{
		Env: []string{"ETCDCTL_ENDPOINTS=" + s.address}, Stdin: strings.NewReader(""), Args: args,
		Interruptible: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		},
	}
}

// revoked reports whether the lease of the session was given back.
func (s *server) revoked() bool {
	for _, m := range s.asked() {
		if r, ok := m.(*pb.LeaseRevokeRequest); ok && r.GetID() == leaseID {
			return true
		}
	}
	return false
}

func TestLockRunsACommand(t *testing.T) {
	s := startServer(t)
	s.txn = first()
	env := []string{"ETCDCTL_ENDPOINTS=" + s.address}
	for _, c := range []struct {
		script         string
		code           int
		stdout, stderr string
	}{
		{"echo $ETCD_LOCK_KEY $ETCD_LOCK_REV", 0, "l/1f 3\n", ""},
		{"exit 3", 3, "", "Error: exit status 3\n"},
		{"kill -9 $$", -1, "", "Error: signal: killed\n"},
	} {
		r := runWith(env, "", "lock", "l", "--", "sh", "-c", c.script)
		if r.code != c.code || r.stdout != c.stdout || r.stderr != c.stderr {
			t.Errorf("%s: %+v", c.script, r)
		}
		if !s.revoked() {
			t.Errorf("%s: the lock was not given back", c.script)
		}
	}
	r := runWith(env, "", "lock", "l", "/nonexistent")
	if r.code != 1 || r.stderr != "Error: fork/exec /nonexistent: no such file or directory\n" || !s.revoked() {
		t.Errorf("%+v", r)
	}
}

// Whoever is interrupted before the lock or the election is won has to say so, and to give up the place.
func TestInterruptedWhileWaiting(t *testing.T) {
	s := startServer(t)
	for _, line := range []string{"lock l", "elect l me"} {
		r := runProcess(interrupted(s, strings.Fields(line)...))
		if r.code != 1 || r.stdout != "" || r.stderr != "Error: context canceled\n" || !s.revoked() {
			t.Errorf("%s: %+v", line, r)
		}
	}
	if r := runProcess(interrupted(s, "elect", "-l", "l")); r.code != 0 || r.stdout != "" || r.stderr != "" {
		t.Errorf("elect -l: %+v", r)
	}
}

// What can not be shown is not taken: etcdctl leaves the lock to a lease that runs out.
func TestLockAndElectRefuseATable(t *testing.T) {
	s := startServer(t)
	s.txn = first()
	for _, line := range []string{"lock l -w table", "elect l me -w table"} {
		r := s.run("", strings.Fields(line)...)
		if r.code != 4 || r.stdout != "" || r.stderr != "Error: table not supported as output format\n" {
			t.Errorf("%s: %+v", line, r)
		}
		for _, m := range s.asked() {
			if _, ok := m.(*pb.TxnRequest); ok {
				t.Errorf("%s: a place in the line was taken", line)
			}
		}
	}
}

// The sentences and codes are those of etcdctl 3.7.3.
func TestErrorsOfLockAndElect(t *testing.T) {
	s := startServer(t)
	for line, text := range map[string]string{
		"lock":             "lock takes a lock name argument and an optional command to execute",
		"elect":            "elect takes one election name argument and an optional proposal argument",
		"elect a b c":      "elect takes one election name argument and an optional proposal argument",
		"elect e":          "no proposal argument but -l not set",
		"elect -l e value": "proposal given but -l is set",
	} {
		r := s.run("", strings.Fields(line)...)
		if r.code != 128 || r.stdout != "" || r.stderr != "Error: "+text+"\n" {
			t.Errorf("%s: %+v", line, r)
		}
	}
	checkAsked(t, s)
}
