package command_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

func TestLeaseCommands(t *testing.T) {
	s := startServer(t)
	for _, c := range []struct {
		line   string
		sent   proto.Message
		stdout string
	}{
		{"lease grant 60", &pb.LeaseGrantRequest{TTL: 60}, "lease 000000000000001f granted with TTL(60s)\n"},
		{"lease grant -- -5", &pb.LeaseGrantRequest{TTL: -5}, "lease 000000000000001f granted with TTL(-5s)\n"},
		{"lease revoke 1f", &pb.LeaseRevokeRequest{ID: leaseID}, "lease 000000000000001f revoked\n"},
		{"lease timetolive 1f", &pb.LeaseTimeToLiveRequest{ID: leaseID}, "lease 000000000000001f granted with TTL(9s), remaining(5s)\n"},
		{
			"lease timetolive 1f --keys", &pb.LeaseTimeToLiveRequest{ID: leaseID, Keys: true},
			"lease 000000000000001f granted with TTL(9s), remaining(5s), attached keys([])\n",
		},
		{"lease list ignored", &pb.LeaseLeasesRequest{}, "found 1 leases\n000000000000001f\n"},
		{"lease keep-alive --once 1f", &pb.LeaseKeepAliveRequest{ID: leaseID}, "lease 000000000000001f keepalived with TTL(9)\n"},
		{"lease keep-alive 2f", &pb.LeaseKeepAliveRequest{ID: 0x2f}, "lease 000000000000002f expired or revoked.\n"},
		{"lease keep-alive 2f -w json", &pb.LeaseKeepAliveRequest{ID: 0x2f}, ""},
	} {
		r := runWith([]string{"ETCDCTL_ENDPOINTS=" + s.address}, "", strings.Fields(c.line)...)
		if r.code != 0 || r.stdout != c.stdout || r.stderr != "" {
			t.Errorf("%s: %+v\nwant %q", c.line, r, c.stdout)
		}
		checkAsked(t, s, c.sent)
	}
}

// A renewal that cannot be printed ends the run, which is else without end.
func TestKeepAliveWithoutATable(t *testing.T) {
	s := startServer(t)
	r := s.run("", "lease", "keep-alive", "1f", "-w", "table")
	if r.code != 4 || r.stderr != "Error: table not supported as output format\n" {
		t.Errorf("%+v", r)
	}
}

// The sentences and codes are those of etcdctl 3.7.3.
func TestErrorsOfLeaseCommands(t *testing.T) {
	s := startServer(t)
	s.leaseErr = rpctypes.ErrGRPCLeaseNotFound
	const (
		bad      = `(strconv.ParseInt: parsing "xyz": invalid syntax)`
		notFound = "etcdserver: requested lease not found"
	)
	for _, c := range []struct {
		line string
		code int
		text string
	}{
		{"lease grant", 128, "lease grant command needs TTL argument"},
		{"lease grant 1 2", 128, "lease grant command needs TTL argument"},
		{"lease grant xyz -w bad", 128, "bad TTL " + bad},
		{"lease grant 1 -w bad", 4, "unsupported output format"},
		{"lease grant 1", 1, "failed to grant lease (" + notFound + ")"},
		{"lease revoke", 128, "lease revoke command needs 1 argument"},
		{"lease revoke xyz", 128, "bad lease ID arg " + bad + ", expecting ID in Hex"},
		{"lease revoke 5", 1, "failed to revoke lease (" + notFound + ")"},
		{"lease timetolive", 128, "lease timetolive command needs lease ID as argument"},
		{"lease timetolive xyz", 128, "bad lease ID arg " + bad + ", expecting ID in Hex"},
		{"lease timetolive 5", 2, notFound},
		{"lease list", 2, notFound},
		{"lease keep-alive 1 2", 128, "lease keep-alive command needs lease ID as argument"},
		{"lease keep-alive xyz", 128, "bad lease ID arg " + bad + ", expecting ID in Hex"},
		{"lease keep-alive --once 5", 2, notFound},
	} {
		r := s.run("", strings.Fields(c.line)...)
		if r.code != c.code || r.stderr != "Error: "+c.text+"\n" || r.stdout != "" {
			t.Errorf("%s: %+v\nwant code %d and %s", c.line, r, c.code, c.text)
		}
	}
}
