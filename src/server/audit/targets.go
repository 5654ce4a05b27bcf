package audit

import (
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3electionpb"
	"quoin.dev/api/v3lockpb"
)

// Targets finds what a request is about; more is how many are left out. What they refer to is the request's.
func Targets(request any) (list []Target, more int) {
	var c collector
	c.request(request)
	return c.list, c.more
}

type collector struct {
	list []Target
	more int
}

func (c *collector) add(t Target) {
	if len(c.list) == maxTargets {
		c.more++
		return
	}
	c.list = append(c.list, t)
}

func (c *collector) request(request any) {
	switch r := request.(type) {
	case *pb.RangeRequest:
		c.add(Target{Op: "range", Key: r.GetKey(), End: r.GetRangeEnd()})
	case *pb.PutRequest:
		c.add(Target{Op: "put", Key: r.GetKey(), Lease: r.GetLease()})
	case *pb.DeleteRangeRequest:
		c.add(Target{Op: "delete", Key: r.GetKey(), End: r.GetRangeEnd()})
	case *pb.TxnRequest:
		c.txn(r)
	case *pb.WatchCreateRequest:
		c.add(Target{Op: "watch", Key: r.GetKey(), End: r.GetRangeEnd()})
	default:
		c.other(request)
	}
}

// txn collects all that a transaction could do, at every depth.
func (c *collector) txn(r *pb.TxnRequest) {
	for _, compare := range r.GetCompare() {
		c.add(Target{Op: "compare", Key: compare.GetKey(), End: compare.GetRangeEnd()})
	}
	for _, branch := range [][]*pb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			switch o := op.GetRequest().(type) {
			case *pb.RequestOp_RequestRange:
				c.request(o.RequestRange)
			case *pb.RequestOp_RequestPut:
				c.request(o.RequestPut)
			case *pb.RequestOp_RequestDeleteRange:
				c.request(o.RequestDeleteRange)
			case *pb.RequestOp_RequestTxn:
				c.txn(o.RequestTxn)
			}
		}
	}
}

// other collects from requests that are not about keys.
func (c *collector) other(request any) {
	switch r := request.(type) {
	case *pb.LeaseGrantRequest, *pb.LeaseRevokeRequest, *pb.LeaseKeepAliveRequest, *pb.LeaseTimeToLiveRequest:
		c.add(Target{Op: "lease", Lease: r.(interface{ GetID() int64 }).GetID()})
	case *pb.MemberRemoveRequest, *pb.MemberUpdateRequest, *pb.MemberPromoteRequest:
		c.add(Target{Op: "member", Member: r.(interface{ GetID() uint64 }).GetID()})
	case *pb.AlarmRequest:
		c.add(Target{Op: "alarm " + r.Action.String() + " " + r.Alarm.String(), Member: r.MemberID})
	case *pb.MoveLeaderRequest:
		c.add(Target{Op: "member", Member: r.TargetID})
	case *pb.AuthUserGrantRoleRequest:
		c.add(Target{Op: "grant", User: r.User, Role: r.Role})
	case *pb.AuthUserRevokeRoleRequest:
		c.add(Target{Op: "revoke", User: r.Name, Role: r.Role})
	case *pb.AuthenticateRequest, *pb.AuthUserAddRequest, *pb.AuthUserGetRequest, *pb.AuthUserDeleteRequest, *pb.AuthUserChangePasswordRequest:
		c.add(Target{Op: "user", User: r.(interface{ GetName() string }).GetName()})
	case *pb.AuthRoleAddRequest:
		c.add(Target{Op: "role", Role: r.Name})
	case *pb.AuthRoleGetRequest, *pb.AuthRoleDeleteRequest:
		c.add(Target{Op: "role", Role: r.(interface{ GetRole() string }).GetRole()})
	case *pb.AuthRoleGrantPermissionRequest:
		c.add(Target{Op: "grant " + r.GetPerm().GetPermType().String(), Role: r.Name, Key: r.GetPerm().GetKey(), End: r.GetPerm().GetRangeEnd()})
	case *pb.AuthRoleRevokePermissionRequest:
		c.add(Target{Op: "revoke", Role: r.Role, Key: r.Key, End: r.RangeEnd})
	case *v3lockpb.LockRequest:
		c.add(Target{Op: "lock", Key: r.Name, Lease: r.Lease})
	case *v3lockpb.UnlockRequest:
		c.add(Target{Op: "unlock", Key: r.Key})
	case *v3electionpb.CampaignRequest:
		c.add(Target{Op: "campaign", Key: r.Name, Lease: r.Lease})
	case *v3electionpb.ProclaimRequest:
		c.add(Target{Op: "proclaim", Key: r.GetLeader().GetKey()})
	case *v3electionpb.ResignRequest:
		c.add(Target{Op: "resign", Key: r.GetLeader().GetKey()})
	case *v3electionpb.LeaderRequest:
		c.add(Target{Op: "leader", Key: r.Name})
	}
}

// reads are the methods that change nothing, and tell nothing but keys, names and sizes. A copy of the database and a login count
// as changes: both are what an audit is about.
var reads = map[string]bool{
	pb.KV_Range_FullMethodName:              true,
	pb.KV_RangeStream_FullMethodName:        true,
	pb.Watch_Watch_FullMethodName:           true,
	pb.Lease_LeaseTimeToLive_FullMethodName: true,
	pb.Lease_LeaseLeases_FullMethodName:     true,
	pb.Cluster_MemberList_FullMethodName:    true,
	pb.Maintenance_Status_FullMethodName:    true,
	pb.Maintenance_Hash_FullMethodName:      true,
	pb.Maintenance_HashKV_FullMethodName:    true,
	pb.Auth_AuthStatus_FullMethodName:       true,
	pb.Auth_UserGet_FullMethodName:          true,
	pb.Auth_UserList_FullMethodName:         true,
	pb.Auth_RoleGet_FullMethodName:          true,
	pb.Auth_RoleList_FullMethodName:         true,

	v3electionpb.Election_Leader_FullMethodName:  true,
	v3electionpb.Election_Observe_FullMethodName: true,

	"/grpc.health.v1.Health/Check": true,
	"/grpc.health.v1.Health/List":  true,
	"/grpc.health.v1.Health/Watch": true,
}

// Changes reports whether a request is a change, for LevelWrites. A method that is not known is one.
func Changes(method string, request any) bool {
	switch r := request.(type) {
	case *pb.TxnRequest:
		return writes(r)
	case *pb.AlarmRequest:
		return r.Action != pb.AlarmRequest_GET
	}
	return !reads[method]
}

func writes(r *pb.TxnRequest) bool {
	for _, branch := range [][]*pb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			switch o := op.GetRequest().(type) {
			case *pb.RequestOp_RequestPut, *pb.RequestOp_RequestDeleteRange:
				return true
			case *pb.RequestOp_RequestTxn:
				if writes(o.RequestTxn) {
					return true
				}
			}
		}
	}
	return false
}
