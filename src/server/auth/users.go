package auth

import (
	"encoding/base64"
	"slices"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/storage/schema"
)

// AddUser makes a user without roles. Errors: ErrUserEmpty, ErrUserAlreadyExist, and a hash that is none.
func (s *Store) AddUser(r *pb.AuthUserAddRequest) error {
	v := s.View()
	switch {
	case r.Name == "":
		return ErrUserEmpty
	case v.users[r.Name] != nil:
		return ErrUserAlreadyExist
	}
	options := r.Options
	if options == nil {
		options = &authpb.UserAddOptions{}
	}
	row := &authpb.User{Name: []byte(r.Name), Options: proto.CloneOf(options)}
	if !options.NoPassword {
		hash, err := base64.StdEncoding.DecodeString(r.HashedPassword)
		if err != nil {
			return err
		}
		row.Password = hash
	}
	next := v.clone()
	s.setUser(next, row)
	s.publish(next)
	return nil
}

// setUser puts the row of a user into a view that is being changed.
func (s *Store) setUser(next *View, row *authpb.User) {
	next.users[string(row.Name)] = newUser(row)
	schema.PutUser(s.rows, row)
}

// DeleteUser removes a user, whose tokens end. Errors: ErrInvalidAuthMgmt for root while authentication is on, ErrUserNotFound.
func (s *Store) DeleteUser(name string) error {
	v := s.View()
	switch {
	case v.enabled && name == Root:
		return ErrInvalidAuthMgmt
	case v.users[name] == nil:
		return ErrUserNotFound
	}
	next := v.clone()
	delete(next.users, name)
	schema.DeleteUser(s.rows, name)
	s.publish(next)
	s.tokens.Forget(name)
	return nil
}

// ChangePassword gives a user another password; the tokens of the user end. A user without password stays without. Errors:
// ErrUserNotFound, and a hash that is none.
func (s *Store) ChangePassword(r *pb.AuthUserChangePasswordRequest) error {
	v := s.View()
	u := v.users[r.Name]
	if u == nil {
		return ErrUserNotFound
	}
	row := proto.CloneOf(u.row)
	if row.Password = nil; !row.GetOptions().GetNoPassword() {
		hash, err := base64.StdEncoding.DecodeString(r.HashedPassword)
		if err != nil {
			return err
		}
		row.Password = hash
	}
	next := v.clone()
	s.setUser(next, row)
	s.publish(next)
	s.tokens.Forget(r.Name)
	return nil
}

// GrantRole gives a role to a user; one that the user has changes nothing. The role root needs not exist. Errors: ErrUserNotFound,
// ErrRoleNotFound.
func (s *Store) GrantRole(name, role string) error {
	v := s.View()
	u := v.users[name]
	switch {
	case u == nil:
		return ErrUserNotFound
	case role != Root && v.roles[role] == nil:
		return ErrRoleNotFound
	case slices.Contains(u.row.Roles, role):
		return nil
	}
	row := proto.CloneOf(u.row)
	row.Roles = append(row.Roles, role)
	slices.Sort(row.Roles)
	next := v.clone()
	s.setUser(next, row)
	s.publish(next)
	return nil
}

// RevokeRole takes a role from a user. Errors: ErrInvalidAuthMgmt for root's own while authentication is on, ErrUserNotFound,
// ErrRoleNotGranted.
func (s *Store) RevokeRole(name, role string) error {
	v := s.View()
	u := v.users[name]
	switch {
	case v.enabled && name == Root && role == Root:
		return ErrInvalidAuthMgmt
	case u == nil:
		return ErrUserNotFound
	case !slices.Contains(u.row.Roles, role):
		return ErrRoleNotGranted
	}
	next := v.clone()
	s.setUser(next, without(u.row, role))
	s.publish(next)
	return nil
}

// without is the row of a user who does not have a role any more.
func without(row *authpb.User, role string) *authpb.User {
	row = proto.CloneOf(row)
	row.Roles = slices.DeleteFunc(row.Roles, func(r string) bool { return r == role })
	return row
}
