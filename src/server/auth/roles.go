package auth

import (
	"bytes"
	"slices"
	"sort"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	"quoin.dev/storage/schema"
)

// AddRole makes a role that grants nothing. Errors: ErrRoleEmpty, ErrRoleAlreadyExist.
func (s *Store) AddRole(name string) error {
	v := s.View()
	switch {
	case name == "":
		return ErrRoleEmpty
	case v.roles[name] != nil:
		return ErrRoleAlreadyExist
	}
	next := v.clone()
	s.setRole(next, &authpb.Role{Name: []byte(name)})
	s.publish(next)
	return nil
}

// setRole puts the row of a role into a view that is being changed.
func (s *Store) setRole(next *View, row *authpb.Role) {
	next.roles[string(row.Name)] = row
	next.forget(string(row.Name))
	schema.PutRole(s.rows, row)
}

// DeleteRole removes a role, and takes it from all users. Errors: ErrInvalidAuthMgmt for root while authentication is on,
// ErrRoleNotFound.
func (s *Store) DeleteRole(name string) error {
	v := s.View()
	switch {
	case v.enabled && name == Root:
		return ErrInvalidAuthMgmt
	case v.roles[name] == nil:
		return ErrRoleNotFound
	}
	next := v.clone()
	delete(next.roles, name)
	schema.DeleteRole(s.rows, name)
	for _, user := range next.Users() {
		if u := next.users[user]; slices.Contains(u.row.Roles, name) {
			s.setUser(next, without(u.row, name))
		}
	}
	s.publish(next)
	return nil
}

// GrantPermission lets a role grant something. Errors: ErrPermissionNotGiven, ErrInvalidAuthMgmt for a range without keys
// (etcd#15619), ErrRoleNotFound.
func (s *Store) GrantPermission(role string, p *authpb.Permission) error {
	v := s.View()
	switch {
	case p == nil:
		return ErrPermissionNotGiven
	case len(p.Key) == 0 || spanOf(string(p.Key), string(p.RangeEnd)).empty():
		return ErrInvalidAuthMgmt
	case v.roles[role] == nil:
		return ErrRoleNotFound
	}
	row := proto.CloneOf(v.roles[role])
	row.KeyPermission = merge(row.KeyPermission, proto.CloneOf(p))
	next := v.clone()
	s.setRole(next, row)
	s.publish(next)
	return nil
}

// merge adds a permission to a list that is ordered by key. One with the same range is replaced if it is the first with its key;
// permissions with the same key end up in the order that the sorting of the standard library gives them. Both are what etcd does,
// and what is in the file has to be equal to the byte on all members.
func merge(list []*authpb.Permission, p *authpb.Permission) []*authpb.Permission {
	i := sort.Search(len(list), func(i int) bool { return bytes.Compare(list[i].Key, p.Key) >= 0 })
	if i < len(list) && sameRange(list[i], p.Key, p.RangeEnd) {
		list[i].PermType = p.PermType
		return list
	}
	list = append(list, p)
	sort.Sort(byKey(list))
	return list
}

// byKey sorts permissions, not stably.
type byKey []*authpb.Permission

func (l byKey) Len() int           { return len(l) }
func (l byKey) Less(i, j int) bool { return bytes.Compare(l[i].Key, l[j].Key) < 0 }
func (l byKey) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

func sameRange(p *authpb.Permission, key, end []byte) bool {
	return bytes.Equal(p.Key, key) && bytes.Equal(p.RangeEnd, end)
}

// RevokePermission takes back every permission of a role with exactly this range. Errors: ErrRoleNotFound, ErrPermissionNotGranted.
func (s *Store) RevokePermission(role string, key, end []byte) error {
	v := s.View()
	if v.roles[role] == nil {
		return ErrRoleNotFound
	}
	row := proto.CloneOf(v.roles[role])
	before := len(row.KeyPermission)
	row.KeyPermission = slices.DeleteFunc(row.KeyPermission, func(p *authpb.Permission) bool { return sameRange(p, key, end) })
	if len(row.KeyPermission) == before {
		return ErrPermissionNotGranted
	}
	next := v.clone()
	s.setRole(next, row)
	s.publish(next)
	return nil
}
