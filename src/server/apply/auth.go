package apply

import (
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/auth"
)

// senderOf is the user for whom a request was proposed; nobody in requests of members, and where authentication was off.
func senderOf(r *pb.InternalRaftRequest) auth.Identity {
	return auth.Identity{User: r.GetHeader().GetUsername(), Revision: r.GetHeader().GetAuthRevision()}
}

// applyAuth applies requests about users, roles and the switch; false for any other. The response to an authentication is an
// auth.Login, and the others have none.
func (s *State) applyAuth(r *pb.InternalRaftRequest, index uint64) (Result, bool) {
	var err error
	switch {
	case r.Authenticate != nil:
		login, err := s.Auth.Login(r.Authenticate.Name, r.Authenticate.SimpleToken, index)
		return result(&login, err), true
	case r.AuthEnable != nil:
		err = s.Auth.Enable()
	case r.AuthDisable != nil:
		s.Auth.Disable()
	case r.AuthUserAdd != nil:
		err = s.Auth.AddUser(r.AuthUserAdd)
	case r.AuthUserDelete != nil:
		err = s.Auth.DeleteUser(r.AuthUserDelete.Name)
	case r.AuthUserChangePassword != nil:
		err = s.Auth.ChangePassword(r.AuthUserChangePassword)
	case r.AuthUserGrantRole != nil:
		err = s.Auth.GrantRole(r.AuthUserGrantRole.User, r.AuthUserGrantRole.Role)
	case r.AuthUserRevokeRole != nil:
		err = s.Auth.RevokeRole(r.AuthUserRevokeRole.Name, r.AuthUserRevokeRole.Role)
	case r.AuthRoleAdd != nil:
		err = s.Auth.AddRole(r.AuthRoleAdd.Name)
	case r.AuthRoleDelete != nil:
		err = s.Auth.DeleteRole(r.AuthRoleDelete.Role)
	case r.AuthRoleGrantPermission != nil:
		err = s.Auth.GrantPermission(r.AuthRoleGrantPermission.Name, r.AuthRoleGrantPermission.Perm)
	case r.AuthRoleRevokePermission != nil:
		p := r.AuthRoleRevokePermission
		err = s.Auth.RevokePermission(p.Role, p.Key, p.RangeEnd)
	case r.AuthStatus != nil, r.AuthUserGet != nil, r.AuthUserList != nil, r.AuthRoleGet != nil, r.AuthRoleList != nil:
		// Questions, which only members of etcd send through the log, for themselves.
	default:
		return Result{}, false
	}
	return Result{Err: err}, true
}
