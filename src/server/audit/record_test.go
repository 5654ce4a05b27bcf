package audit

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
)

func TestKeysAreBoundedAndReadable(t *testing.T) {
	w := NewWithT(t)
	long := strings.Repeat("k", maxKeyBytes)
	for key, want := range map[string][2]any{
		"a\n\"\x00":    {"key", "a\n\"\x00"},
		"schlüssel":    {"key", "schlüssel"},
		"\xff\x00":     {"key_base64", "/wA="},
		long:           {"key", long},
		long + "kk":    {"key", long},
		long[1:] + "ü": {"key", long[1:]}, // cut in the middle of a character
		"ab\xc3":       {"key_base64", "YWLD"},
	} {
		text, err := (&Record{Method: "m", Targets: []Target{{Op: "put", Key: []byte(key)}}}).encode()
		w.Expect(err).NotTo(HaveOccurred())
		target := decode(t, text)[0]["targets"].([]any)[0].(map[string]any)
		w.Expect(target).To(HaveKeyWithValue(want[0], want[1]), "%q", key)
		if len(key) > maxKeyBytes {
			w.Expect(target).To(HaveKeyWithValue("key_bytes", float64(len(key))))
		} else {
			w.Expect(target).NotTo(HaveKey("key_bytes"))
		}
	}
	huge := strings.Repeat("x", 10*maxNameBytes)
	text, err := (&Record{User: huge, Method: huge, Reason: huge, Certificate: huge, Forwarded: huge}).encode()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(len(text)).To(BeNumerically("<", 6*maxNameBytes))
}

// TestSecretsAreNotTargets fills requests with secrets (CVE-2021-28235).
func TestSecretsAreNotTargets(t *testing.T) {
	w := NewWithT(t)
	const secret = "hunter2"
	nested := &pb.TxnRequest{
		Compare: []*pb.Compare{{Key: []byte("c"), TargetUnion: &pb.Compare_Value{Value: []byte(secret)}}},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
			Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("deep"), Value: []byte(secret)}}}},
		}}}},
	}
	for _, c := range []struct {
		request any
		want    Target
	}{
		{&pb.PutRequest{Key: []byte("k"), Value: []byte(secret), Lease: 7}, Target{Op: "put", Key: []byte("k"), Lease: 7}},
		{&pb.AuthenticateRequest{Name: "u", Password: secret}, Target{Op: "user", User: "u"}},
		{&pb.AuthUserAddRequest{Name: "u", Password: secret, HashedPassword: secret}, Target{Op: "user", User: "u"}},
		{&pb.AuthUserChangePasswordRequest{Name: "u", Password: secret, HashedPassword: secret}, Target{Op: "user", User: "u"}},
		{nested, Target{Op: "put", Key: []byte("deep")}},
		{&pb.AuthRoleGrantPermissionRequest{Name: "r", Perm: &authpb.Permission{Key: []byte("k"), RangeEnd: []byte("l"), PermType: authpb.Permission_WRITE}},
			Target{Op: "grant WRITE", Role: "r", Key: []byte("k"), End: []byte("l")}},
	} {
		targets, more := Targets(c.request)
		w.Expect(more).To(BeZero())
		w.Expect(targets).To(ContainElement(c.want))
		text, err := (&Record{Targets: targets}).encode()
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(string(text)).NotTo(ContainSubstring(secret))
	}
	many := &pb.TxnRequest{}
	for range maxTargets + 3 {
		many.Success = append(many.Success, nested.Success[0])
	}
	targets, more := Targets(many)
	w.Expect(targets).To(HaveLen(maxTargets))
	w.Expect(more).To(Equal(3))
	// What is empty or missing does no harm.
	for _, r := range []any{nil, &pb.TxnRequest{Success: []*pb.RequestOp{nil, {}, {Request: &pb.RequestOp_RequestPut{}}}}, &pb.AuthRoleGrantPermissionRequest{}} {
		Targets(r)
	}
}

// TestChanges holds every method of the API against its kind, so that a new one does not become a change by mistake.
func TestChanges(t *testing.T) {
	w := NewWithT(t)
	var changes []string
	for _, d := range []grpc.ServiceDesc{pb.KV_ServiceDesc, pb.Watch_ServiceDesc, pb.Lease_ServiceDesc, pb.Cluster_ServiceDesc, pb.Maintenance_ServiceDesc, pb.Auth_ServiceDesc} {
		name := func(method string) string { return "/" + d.ServiceName + "/" + method }
		for _, m := range d.Methods {
			if Changes(name(m.MethodName), nil) {
				changes = append(changes, m.MethodName)
			}
		}
		for _, s := range d.Streams {
			if Changes(name(s.StreamName), nil) {
				changes = append(changes, s.StreamName)
			}
		}
	}
	w.Expect(changes).To(ConsistOf("Put", "DeleteRange", "Txn", "Compact", "LeaseGrant", "LeaseRevoke", "LeaseKeepAlive",
		"MemberAdd", "MemberRemove", "MemberUpdate", "MemberPromote", "Alarm", "Defragment", "Snapshot", "MoveLeader", "Downgrade",
		"AuthEnable", "AuthDisable", "Authenticate", "UserAdd", "UserDelete", "UserChangePassword", "UserGrantRole", "UserRevokeRole",
		"RoleAdd", "RoleDelete", "RoleGrantPermission", "RoleRevokePermission"))

	read := &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("k")}}}}}
	w.Expect(Changes(pb.KV_Txn_FullMethodName, read)).To(BeFalse())
	deep := &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestDeleteRange{}}}}}}}}
	w.Expect(Changes(pb.KV_Txn_FullMethodName, deep)).To(BeTrue())
	w.Expect(Changes(pb.Maintenance_Alarm_FullMethodName, &pb.AlarmRequest{})).To(BeFalse())
	w.Expect(Changes(pb.Maintenance_Alarm_FullMethodName, &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE})).To(BeTrue())
}
