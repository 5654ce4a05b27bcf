package model

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// root is the name of the user and of the role that may do everything.
const root = "root"

// auth is users, roles and the switch. It does not change either.
type auth struct {
	enabled  bool
	revision uint64
	users    map[string]*user
	roles    map[string][]*authpb.Permission // in the order of their keys
	print    uint64
}

type user struct {
	password   string
	noPassword bool
	roles      []string // sorted
}

func (u *user) isRoot() bool { return slices.Contains(u.roles, root) }

func newAuth() *auth {
	return (&auth{revision: 1, users: map[string]*user{}, roles: map[string][]*authpb.Permission{}}).printed()
}

// printed takes the hash of all of it, once it is complete.
func (a *auth) printed() *auth {
	var text strings.Builder
	fmt.Fprint(&text, a.enabled, a.revision)
	for _, name := range slices.Sorted(maps.Keys(a.users)) {
		fmt.Fprintf(&text, "%q %v", name, *a.users[name])
	}
	for _, name := range slices.Sorted(maps.Keys(a.roles)) {
		fmt.Fprintf(&text, "%q", name)
		for _, p := range a.roles[name] {
			fmt.Fprintf(&text, "%d %q %q", p.PermType, p.Key, p.RangeEnd)
		}
	}
	a.print = hash([]byte(text.String()))
	return a
}

func (a *auth) clone() *auth {
	return &auth{enabled: a.enabled, revision: a.revision, users: maps.Clone(a.users), roles: maps.Clone(a.roles)}
}

// withUser is with a user as given, at the next revision.
func (a *auth) withUser(name string, u *user) *auth {
	next := a.clone()
	next.users[name] = u
	next.revision++
	return next.printed()
}

func (a *auth) withRole(name string, permissions []*authpb.Permission) *auth {
	next := a.clone()
	next.roles[name] = permissions
	next.revision++
	return next.printed()
}

// manage answers the requests of the Auth service.
func (s *State) manage(m proto.Message, a Answer) outcome {
	next, err := s.auth.change(m)
	if err != nil {
		return s.refused(err)
	}
	if next != nil {
		return outcome{next: s.withAuth(next), response: s.plainResponse(m, a)}
	}
	response, err := s.ask(m, a)
	if err != nil {
		return s.refused(err)
	}
	return outcome{next: s, response: response}
}

// change is users and roles after a request that changes them, nil for any other one.
func (a *auth) change(m proto.Message) (*auth, error) {
	switch r := m.(type) {
	case *pb.AuthEnableRequest:
		return a.enable()
	case *pb.AuthDisableRequest:
		if !a.enabled {
			return a, nil
		}
		next := a.clone()
		next.enabled = false
		next.revision++
		return next.printed(), nil
	case *pb.AuthUserAddRequest:
		return a.addUser(r)
	case *pb.AuthUserDeleteRequest:
		return a.deleteUser(r.Name)
	case *pb.AuthUserChangePasswordRequest:
		u := a.users[r.Name]
		if u == nil {
			return nil, rpctypes.ErrGRPCUserNotFound
		}
		return a.withUser(r.Name, &user{r.Password, u.noPassword, u.roles}), nil
	case *pb.AuthUserGrantRoleRequest:
		return a.grantRole(r.User, r.Role)
	case *pb.AuthUserRevokeRoleRequest:
		return a.revokeRole(r.Name, r.Role)
	case *pb.AuthRoleAddRequest:
		return a.addRole(r.Name)
	case *pb.AuthRoleDeleteRequest:
		return a.deleteRole(r.Role)
	case *pb.AuthRoleGrantPermissionRequest:
		return a.grant(r.Name, r.Perm)
	case *pb.AuthRoleRevokePermissionRequest:
		return a.revoke(r.Role, r.Key, r.RangeEnd)
	}
	return nil, nil
}

func (a *auth) enable() (*auth, error) {
	u := a.users[root]
	switch {
	case a.enabled:
		return a, nil
	case u == nil:
		return nil, rpctypes.ErrGRPCRootUserNotExist
	case !u.isRoot():
		return nil, rpctypes.ErrGRPCRootRoleNotExist
	}
	next := a.clone()
	next.enabled = true
	return next.printed(), nil
}

func (a *auth) addUser(r *pb.AuthUserAddRequest) (*auth, error) {
	switch {
	case r.Name == "":
		return nil, rpctypes.ErrGRPCUserEmpty
	case a.users[r.Name] != nil:
		return nil, rpctypes.ErrGRPCUserAlreadyExist
	}
	return a.withUser(r.Name, &user{password: r.Password, noPassword: r.GetOptions().GetNoPassword()}), nil
}

func (a *auth) deleteUser(name string) (*auth, error) {
	switch {
	case a.enabled && name == root:
		return nil, rpctypes.ErrGRPCInvalidAuthMgmt
	case a.users[name] == nil:
		return nil, rpctypes.ErrGRPCUserNotFound
	}
	next := a.clone()
	delete(next.users, name)
	next.revision++
	return next.printed(), nil
}

func (a *auth) grantRole(name, role string) (*auth, error) {
	u := a.users[name]
	_, there := a.roles[role]
	switch {
	case u == nil:
		return nil, rpctypes.ErrGRPCUserNotFound
	case role != root && !there:
		return nil, rpctypes.ErrGRPCRoleNotFound
	case slices.Contains(u.roles, role):
		return a, nil
	}
	roles := append(slices.Clone(u.roles), role)
	slices.Sort(roles)
	return a.withUser(name, &user{u.password, u.noPassword, roles}), nil
}

func (a *auth) revokeRole(name, role string) (*auth, error) {
	u := a.users[name]
	switch {
	case a.enabled && name == root && role == root:
		return nil, rpctypes.ErrGRPCInvalidAuthMgmt
	case u == nil:
		return nil, rpctypes.ErrGRPCUserNotFound
	case !slices.Contains(u.roles, role):
		return nil, rpctypes.ErrGRPCRoleNotGranted
	}
	return a.withUser(name, u.without(role)), nil
}

func (u *user) without(role string) *user {
	return &user{u.password, u.noPassword, slices.DeleteFunc(slices.Clone(u.roles), func(r string) bool { return r == role })}
}

func (a *auth) addRole(name string) (*auth, error) {
	_, there := a.roles[name]
	switch {
	case name == "":
		return nil, rpctypes.ErrGRPCRoleEmpty
	case there:
		return nil, rpctypes.ErrGRPCRoleAlreadyExist
	}
	return a.withRole(name, nil), nil
}

func (a *auth) deleteRole(name string) (*auth, error) {
	_, there := a.roles[name]
	switch {
	case a.enabled && name == root:
		return nil, rpctypes.ErrGRPCInvalidAuthMgmt
	case !there:
		return nil, rpctypes.ErrGRPCRoleNotFound
	}
	next := a.clone()
	delete(next.roles, name)
	for who, u := range a.users {
		if slices.Contains(u.roles, name) {
			next.users[who] = u.without(name)
		}
	}
	next.revision++
	return next.printed(), nil
}

func (a *auth) grant(role string, p *authpb.Permission) (*auth, error) {
	list, there := a.roles[role]
	switch {
	case len(p.GetKey()) == 0, len(p.GetRangeEnd()) > 0 && string(p.GetRangeEnd()) != openEnd && bytes.Compare(p.RangeEnd, p.Key) <= 0:
		return nil, rpctypes.ErrGRPCInvalidAuthMgmt
	case !there:
		return nil, rpctypes.ErrGRPCRoleNotFound
	}
	list = slices.Clone(list)
	first, _ := slices.BinarySearchFunc(list, p.Key, func(q *authpb.Permission, key []byte) int { return bytes.Compare(q.Key, key) })
	if first < len(list) && isAbout(list[first], p.Key, p.RangeEnd) {
		list[first] = p // only the first one of a key is replaced
		return a.withRole(role, list), nil
	}
	list = append(list, p)
	slices.SortStableFunc(list, func(a, b *authpb.Permission) int { return bytes.Compare(a.Key, b.Key) })
	return a.withRole(role, list), nil
}

func (a *auth) revoke(role string, key, end []byte) (*auth, error) {
	list, there := a.roles[role]
	if !there {
		return nil, rpctypes.ErrGRPCRoleNotFound
	}
	left := slices.DeleteFunc(slices.Clone(list), func(p *authpb.Permission) bool { return isAbout(p, key, end) })
	if len(left) == len(list) {
		return nil, rpctypes.ErrGRPCPermissionNotGranted
	}
	return a.withRole(role, left), nil
}

func isAbout(p *authpb.Permission, key, end []byte) bool {
	return bytes.Equal(p.Key, key) && bytes.Equal(p.RangeEnd, end)
}
