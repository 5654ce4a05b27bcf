package command_test

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

func (s *server) MemberAdd(ctx context.Context, r *pb.MemberAddRequest) (*pb.MemberAddResponse, error) {
	s.record(ctx, r)
	m := &pb.Member{ID: 9, PeerURLs: r.GetPeerURLs(), IsLearner: r.GetIsLearner()}
	one := &pb.Member{ID: 2, Name: "one", PeerURLs: []string{"http://p"}}
	return &pb.MemberAddResponse{Header: header, Member: m, Members: []*pb.Member{one, m}}, s.refusal
}

func (s *server) MemberRemove(ctx context.Context, r *pb.MemberRemoveRequest) (*pb.MemberRemoveResponse, error) {
	s.record(ctx, r)
	return &pb.MemberRemoveResponse{Header: header}, s.refusal
}

func (s *server) MemberUpdate(ctx context.Context, r *pb.MemberUpdateRequest) (*pb.MemberUpdateResponse, error) {
	s.record(ctx, r)
	return &pb.MemberUpdateResponse{Header: header}, s.refusal
}

func (s *server) MemberPromote(ctx context.Context, r *pb.MemberPromoteRequest) (*pb.MemberPromoteResponse, error) {
	s.record(ctx, r)
	return &pb.MemberPromoteResponse{Header: header}, s.refusal
}

func (s *server) MoveLeader(ctx context.Context, r *pb.MoveLeaderRequest) (*pb.MoveLeaderResponse, error) {
	s.record(ctx, r)
	return &pb.MoveLeaderResponse{}, s.refusal
}

func (s *server) Defragment(ctx context.Context, r *pb.DefragmentRequest) (*pb.DefragmentResponse, error) {
	s.record(ctx, r)
	return &pb.DefragmentResponse{}, s.refusal
}

func (s *server) Downgrade(ctx context.Context, r *pb.DowngradeRequest) (*pb.DowngradeResponse, error) {
	s.record(ctx, r)
	return &pb.DowngradeResponse{Header: header, Version: "3.7"}, s.refusal
}

func (s *server) Snapshot(r *pb.SnapshotRequest, stream grpc.ServerStreamingServer[pb.SnapshotResponse]) error {
	s.record(stream.Context(), r)
	for _, blob := range s.blobs {
		if err := stream.Send(&pb.SnapshotResponse{Blob: []byte(blob), Version: "3.7.0"}); err != nil {
			return err
		}
	}
	return s.refusal
}

func TestMemberChanges(t *testing.T) {
	s := startServer(t)
	const ending = "\nETCD_NAME=\"m9\"\nETCD_INITIAL_CLUSTER=\"one=http://p,m9=http://a:1,m9=http://b:2\"\n" +
		"ETCD_INITIAL_ADVERTISE_PEER_URLS=\"http://a:1,http://b:2\"\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n"
	const cluster = " cluster                1\n"
	for _, c := range []struct {
		line, stdout string
	}{
		{"member add m9 --peer-urls=http://a:1,http://b:2", "Member                9 added to" + cluster + ending},
		{"member add m9 --learner --peer-urls=http://a:1,http://b:2", "Member                9 added as learner to" + cluster + ending},
		{"member remove 1f", "Member               1f removed from" + cluster},
		{"member update 1f --peer-urls=http://a:1", "Member               1f updated in" + cluster},
		{"member promote 1f", "Member               1f promoted in" + cluster},
	} {
		if r := s.run("", strings.Fields(c.line)...); r.code != 0 || r.stdout != c.stdout || r.stderr != "" {
			t.Errorf("%s: %+v", c.line, r)
		}
	}
	both := []string{"http://a:1", "http://b:2"}
	checkAsked(t, s, &pb.MemberAddRequest{PeerURLs: both}, &pb.MemberAddRequest{PeerURLs: both, IsLearner: true},
		&pb.MemberRemoveRequest{ID: 0x1f}, &pb.MemberUpdateRequest{ID: 0x1f, PeerURLs: both[:1]}, &pb.MemberPromoteRequest{ID: 0x1f})

	s.refusal = rpctypes.ErrGRPCMemberNotFound
	if r := s.run("", "member", "remove", "1"); r.code != 1 || r.stderr != "Error: etcdserver: member not found\n" {
		t.Errorf("%+v", r)
	}
}

// The endpoint that does not answer is not the leader.
func TestMoveLeaderAsksTheLeader(t *testing.T) {
	follower, leader := startServer(t), startServer(t)
	follower.leader = 77
	endpoints := "127.0.0.1:1," + follower.address + "," + leader.address
	r := runWith(nil, "", "move-leader", "ab", "--endpoints", endpoints)
	if r.code != 0 || r.stdout != "Leadership transferred from 2 to ab\n" {
		t.Errorf("%+v", r)
	}
	checkAsked(t, leader, &pb.StatusRequest{}, &pb.MoveLeaderRequest{TargetID: 0xab})

	r = runWith(nil, "", "move-leader", "ab", "--endpoints", follower.address)
	if r.code != 128 || r.stderr != "Error: no leader endpoint given at ["+follower.address+"]\n" {
		t.Errorf("%+v", r)
	}
	r = runWith(nil, "", "move-leader", "ab", "--endpoints", follower.address+",127.0.0.1:1", "--command-timeout=100ms")
	if r.code != 1 || r.stderr != "Error: context deadline exceeded\n" {
		t.Errorf("the leader may be the one that is down: %+v", r)
	}
	leader.refusal = rpctypes.ErrGRPCBadLeaderTransferee
	r = runWith(nil, "", "move-leader", "ab", "--endpoints", leader.address)
	if r.code != 1 || r.stderr != "Error: etcdserver: bad leader transferee\n" {
		t.Errorf("%+v", r)
	}
}

func TestAlarms(t *testing.T) {
	s := startServer(t)
	s.alarms = []*pb.AlarmMember{{MemberID: 1, Alarm: pb.AlarmType_NOSPACE}, {MemberID: 2, Alarm: pb.AlarmType_CORRUPT}}
	for _, command := range []string{"list", "disarm"} {
		r := s.run("", "alarm", command)
		if r.code != 0 || r.stdout != "memberID:1  alarm:NOSPACE\nmemberID:2  alarm:CORRUPT\n" {
			t.Errorf("%s: %+v", command, r)
		}
	}
	checkAsked(t, s, &pb.AlarmRequest{}, &pb.AlarmRequest{},
		&pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: 1, Alarm: pb.AlarmType_NOSPACE},
		&pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: 2, Alarm: pb.AlarmType_CORRUPT})
}

func TestDowngrade(t *testing.T) {
	s := startServer(t)
	for _, action := range []string{"validate 3.6", "enable 3.6", "cancel"} {
		word, _, _ := strings.Cut(action, " ")
		r := s.run("", append([]string{"downgrade"}, strings.Fields(action)...)...)
		if r.code != 0 || r.stdout != "Downgrade "+word+" success, cluster version 3.7\n" {
			t.Errorf("%s: %+v", action, r)
		}
	}
	checkAsked(t, s, &pb.DowngradeRequest{Version: "3.6"},
		&pb.DowngradeRequest{Action: pb.DowngradeRequest_ENABLE, Version: "3.6"}, &pb.DowngradeRequest{Action: pb.DowngradeRequest_CANCEL})
}

// One member that can not be defragmented must not keep the others from it.
func TestDefragGoesOnAfterAFailure(t *testing.T) {
	full, s := startServer(t), startServer(t)
	full.refusal = rpctypes.ErrGRPCCorrupt
	r := runWith(nil, "", "defrag", "--endpoints", full.address+","+s.address)
	if r.code != 1 || !strings.HasPrefix(r.stdout, "Finished defragmenting etcd member["+s.address+"]. took ") ||
		!strings.HasPrefix(r.stderr, "Failed to defragment etcd member["+full.address+"]. took ") ||
		!strings.HasSuffix(r.stderr, ". (etcdserver: corrupt cluster)\n") {
		t.Errorf("%+v", r)
	}
	if r := s.run("", "defrag", "--cluster"); r.code != 0 || !strings.HasPrefix(r.stdout, "Finished defragmenting etcd member[http://"+s.address+"]. took ") {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, &pb.DefragmentRequest{}, &pb.MemberListRequest{Linearizable: true}, &pb.DefragmentRequest{})
}

func TestSnapshotSave(t *testing.T) {
	const database = "all that the member has"
	sum := sha256.Sum256([]byte(database))
	s := startServer(t)
	s.blobs = []string{database[:7], database[7:], string(sum[:])}
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	for range 2 { // the second replaces the first
		r := s.run("", "snapshot", "save", path, "-w", "json")
		if r.code != 0 || r.stdout != "Snapshot saved at "+path+"\nServer version 3.7.0\n" || r.stderr != "" {
			t.Errorf("%+v", r)
		}
		checkFiles(t, dir, database+string(sum[:]))
	}
	s.blobs[1] = "other data"
	if r := s.run("", "snapshot", "save", path); r.code != 5 || !strings.Contains(r.stderr, "SHA-256") || r.stdout != "" {
		t.Errorf("a damaged snapshot: %+v", r)
	}
	s.refusal = rpctypes.ErrGRPCPermissionDenied
	if r := s.run("", "snapshot", "save", path); r.code != 5 || r.stderr != "Error: etcdserver: permission denied\n" {
		t.Errorf("refused: %+v", r)
	}
	checkFiles(t, dir, database+string(sum[:]))
	r := runWith(nil, "", "snapshot", "save", path, "--endpoints", "127.0.0.1:1", "--command-timeout=100ms")
	if r.code != 5 || r.stderr != "Error: context deadline exceeded\n" {
		t.Errorf("no member: %+v", r)
	}
	r = runWith(nil, "", "snapshot", "save", path, "--endpoints", "a:1,b:2")
	if r.code != 5 || r.stderr != "Error: snapshot must be requested to one selected node, not multiple [a:1 b:2]\n" {
		t.Errorf("two members: %+v", r)
	}
	checkFiles(t, dir, database+string(sum[:]))
}

func TestSnapshotSaveIsInterrupted(t *testing.T) {
	s := startServer(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	r := runProcess(interrupted(s, "snapshot", "save", path))
	if r.code != 5 || r.stderr != "Error: interrupted: "+path+" is as it was\n" {
		t.Errorf("%+v", r)
	}
	checkFiles(t, dir, "")
}

// checkFiles expects one file with the content, or none when it is empty.
func checkFiles(t *testing.T, dir, content string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got += string(b)
	}
	if got != content || len(entries) > 1 {
		t.Errorf("there are %d files that hold %q, want %q", len(entries), got, content)
	}
}
