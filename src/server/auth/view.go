package auth

import (
	"maps"
	"slices"
	"sync"

	"quoin.dev/api/authpb"
)

// Root is the name of the user and of the role that may do everything.
const Root = "root"

// View is users, roles and the switch at one moment. It does not change, so that a request is held against one state of them,
// and no request waits for another.
type View struct {
	enabled  bool
	revision uint64
	users    map[string]*user
	roles    map[string]*authpb.Role
}

// user is a user with what the roles grant, which is found out when it is needed first. When a role of the user changes,
// another one takes its place.
type user struct {
	row    *authpb.User
	isRoot bool

	resolve sync.Once
	grants  grants // once resolved
}

func newUser(row *authpb.User) *user {
	return &user{row: row, isRoot: slices.Contains(row.Roles, Root)}
}

// grantsOf returns what the roles of a user grant.
func (v *View) grantsOf(u *user) *grants {
	u.resolve.Do(func() {
		roles := make([]*authpb.Role, 0, len(u.row.Roles))
		for _, name := range u.row.Roles {
			if r := v.roles[name]; r != nil {
				roles = append(roles, r)
			}
		}
		u.grants = grantsOf(roles)
	})
	return &u.grants
}

// clone is a view to be changed before it is shown to anybody.
func (v *View) clone() *View {
	return &View{enabled: v.enabled, revision: v.revision, users: maps.Clone(v.users), roles: maps.Clone(v.roles)}
}

// forget makes the users of a role find out anew what it grants.
func (v *View) forget(role string) {
	for name, u := range v.users {
		if slices.Contains(u.row.Roles, role) {
			v.users[name] = newUser(u.row)
		}
	}
}

// Enabled reports whether requests are held against anything at all.
func (v *View) Enabled() bool { return v.enabled }

// Revision counts the changes of users and roles.
func (v *View) Revision() uint64 { return v.revision }

// Users lists the names of all users in order.
func (v *View) Users() []string { return slices.Sorted(maps.Keys(v.users)) }

// Roles lists the names of all roles in order.
func (v *View) Roles() []string { return slices.Sorted(maps.Keys(v.roles)) }

// RolesOf lists the roles of a user in order. Error: ErrUserNotFound.
func (v *View) RolesOf(name string) ([]string, error) {
	u := v.users[name]
	if u == nil {
		return nil, ErrUserNotFound
	}
	return slices.Clone(u.row.Roles), nil
}

// Permissions lists what a role grants, in the order of the keys. The role root grants everything, whether it was made or not that
// root has it. Error: ErrRoleNotFound.
func (v *View) Permissions(role string) ([]*authpb.Permission, error) {
	r := v.roles[role]
	switch {
	case r == nil:
		return nil, ErrRoleNotFound
	case role == Root:
		return []*authpb.Permission{{PermType: authpb.Permission_READWRITE, RangeEnd: []byte(openEnd)}}, nil
	}
	return slices.Clone(r.KeyPermission), nil
}

// Password returns what a password of the user is to be held against. Errors: ErrAuthNotEnabled, ErrAuthFailed for a user who
// does not exist, ErrNoPasswordUser.
func (v *View) Password(name string) (hash []byte, err error) {
	u := v.users[name]
	switch {
	case !v.enabled:
		return nil, ErrAuthNotEnabled
	case u == nil:
		return nil, ErrAuthFailed
	case u.row.GetOptions().GetNoPassword():
		return nil, ErrNoPasswordUser
	}
	return u.row.Password, nil
}
