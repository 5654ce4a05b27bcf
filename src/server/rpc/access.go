package rpc

import (
	"context"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3electionpb"
	"quoin.dev/api/v3lockpb"

	"quoin.dev/server/auth"
)

// rule says who may call a method while authentication is on.
type rule int

const (
	// onlyRoot is also the rule for a method that the table does not know.
	onlyRoot rule = iota
	// anyone has a name, whatever the roles.
	anyone
	// byKeys is decided by the service, since it depends on the keys that a request is about.
	byKeys
	// open to those who have no name, too. A token that is wrong is refused all the same.
	open
	// unasked: whoever wants a token has none, or an old one.
	unasked
)

// rules is the table of all methods (CVE-2026-33413).
var rules = map[string]rule{
	pb.KV_Range_FullMethodName:       byKeys,
	pb.KV_RangeStream_FullMethodName: byKeys,
	pb.KV_Put_FullMethodName:         byKeys,
	pb.KV_DeleteRange_FullMethodName: byKeys,
	pb.KV_Txn_FullMethodName:         byKeys,
	pb.KV_Compact_FullMethodName:     onlyRoot,

	pb.Watch_Watch_FullMethodName: byKeys,

	pb.Lease_LeaseGrant_FullMethodName:      anyone,
	pb.Lease_LeaseRevoke_FullMethodName:     anyone, // and by its keys
	pb.Lease_LeaseKeepAlive_FullMethodName:  byKeys,
	pb.Lease_LeaseTimeToLive_FullMethodName: anyone, // and by its keys
	pb.Lease_LeaseLeases_FullMethodName:     anyone, // and by their keys

	pb.Cluster_MemberList_FullMethodName:    anyone,
	pb.Cluster_MemberAdd_FullMethodName:     onlyRoot,
	pb.Cluster_MemberRemove_FullMethodName:  onlyRoot,
	pb.Cluster_MemberUpdate_FullMethodName:  onlyRoot,
	pb.Cluster_MemberPromote_FullMethodName: onlyRoot,

	pb.Maintenance_Status_FullMethodName:     anyone,
	pb.Maintenance_Alarm_FullMethodName:      onlyRoot, // but to list them, see ruleOf
	pb.Maintenance_Defragment_FullMethodName: onlyRoot,
	pb.Maintenance_Hash_FullMethodName:       onlyRoot,
	pb.Maintenance_HashKV_FullMethodName:     onlyRoot,
	pb.Maintenance_Snapshot_FullMethodName:   onlyRoot,
	pb.Maintenance_MoveLeader_FullMethodName: onlyRoot,
	pb.Maintenance_Downgrade_FullMethodName:  onlyRoot,

	pb.Auth_AuthStatus_FullMethodName:           open,
	pb.Auth_Authenticate_FullMethodName:         unasked,
	pb.Auth_AuthEnable_FullMethodName:           onlyRoot,
	pb.Auth_AuthDisable_FullMethodName:          onlyRoot,
	pb.Auth_UserAdd_FullMethodName:              onlyRoot,
	pb.Auth_UserGet_FullMethodName:              byKeys, // users ask about themselves
	pb.Auth_UserList_FullMethodName:             onlyRoot,
	pb.Auth_UserDelete_FullMethodName:           onlyRoot,
	pb.Auth_UserChangePassword_FullMethodName:   onlyRoot,
	pb.Auth_UserGrantRole_FullMethodName:        onlyRoot,
	pb.Auth_UserRevokeRole_FullMethodName:       onlyRoot,
	pb.Auth_RoleAdd_FullMethodName:              onlyRoot,
	pb.Auth_RoleGet_FullMethodName:              byKeys, // users ask about their roles
	pb.Auth_RoleList_FullMethodName:             onlyRoot,
	pb.Auth_RoleDelete_FullMethodName:           onlyRoot,
	pb.Auth_RoleGrantPermission_FullMethodName:  onlyRoot,
	pb.Auth_RoleRevokePermission_FullMethodName: onlyRoot,

	// Locks and elections are made of keys, leases and watches, each of which is decided about.
	v3lockpb.Lock_Lock_FullMethodName:             byKeys,
	v3lockpb.Lock_Unlock_FullMethodName:           byKeys,
	v3electionpb.Election_Campaign_FullMethodName: byKeys,
	v3electionpb.Election_Proclaim_FullMethodName: byKeys,
	v3electionpb.Election_Leader_FullMethodName:   byKeys,
	v3electionpb.Election_Observe_FullMethodName:  byKeys,
	v3electionpb.Election_Resign_FullMethodName:   byKeys,

	healthpb.Health_Check_FullMethodName: unasked,
	healthpb.Health_List_FullMethodName:  unasked,
	healthpb.Health_Watch_FullMethodName: unasked,
}

// ruleOf finds the rule for a request. request is nil for a stream.
func ruleOf(method string, request any) rule {
	if r, ok := request.(*pb.AlarmRequest); ok && r.Action == pb.AlarmRequest_GET {
		return anyone
	}
	return rules[method]
}

// access holds requests against the table.
type access struct{ identity }

// unary is a grpc.UnaryServerInterceptor.
func (a access) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := a.check(ctx, info.FullMethod, request); err != nil {
		return nil, toWire(err)
	}
	return handler(ctx, request)
}

// stream is a grpc.StreamServerInterceptor.
func (a access) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := a.check(stream.Context(), info.FullMethod, nil); err != nil {
		return toWire(err)
	}
	return handler(server, stream)
}

// check decides what can be decided without the keys of a request.
func (a access) check(ctx context.Context, method string, request any) error {
	if !a.m.Auth().Enabled() {
		return nil
	}
	r := ruleOf(method, request)
	if r == byKeys || r == unasked {
		return nil
	}
	who, err := a.of(ctx)
	if err != nil || r == open {
		return err
	}
	if r == anyone {
		return a.m.Permit(ctx, who, (*auth.View).Anyone)
	}
	return a.m.Permit(ctx, who, (*auth.View).Root)
}
