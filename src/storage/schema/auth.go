package schema

import (
	"encoding/binary"
	"fmt"

	"quoin.dev/api/authpb"
	"quoin.dev/storage/backend"
)

var (
	keyAuthEnabled  = []byte("authEnabled")
	keyAuthRevision = []byte("authRevision")
)

// AuthEnabled reads the switch; off when there is no row.
func AuthEnabled(r Reader) bool {
	row := r.Get(backend.Auth, keyAuthEnabled)
	return len(row) == 1 && row[0] == 1
}

// PutAuthEnabled sets the switch.
func PutAuthEnabled(w Writer, on bool) {
	value := []byte{0}
	if on {
		value[0] = 1
	}
	w.Put(backend.Auth, keyAuthEnabled, value)
}

// AuthRevision reads the revision of users and roles, 0 when there is no row.
func AuthRevision(r Reader) uint64 {
	row := r.Get(backend.Auth, keyAuthRevision)
	if len(row) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(row)
}

// PutAuthRevision sets the revision of users and roles.
func PutAuthRevision(w Writer, rev uint64) {
	w.Put(backend.Auth, keyAuthRevision, binary.BigEndian.AppendUint64(nil, rev))
}

// Users reads every user, ascending by name.
func Users(r Reader) (out []*authpb.User, err error) {
	err = r.Scan(backend.AuthUsers, nil, nil, func(key, value []byte) error {
		u := new(authpb.User)
		if err := u.UnmarshalVT(value); err != nil {
			return fmt.Errorf("user %q: %w: restore the member from a snapshot", key, err)
		}
		out = append(out, u)
		return nil
	})
	return out, err
}

// PutUser sets a user's row.
func PutUser(w Writer, u *authpb.User) { w.Put(backend.AuthUsers, []byte(u.GetName()), mustMarshal(u)) }

// DeleteUser removes a user's row.
func DeleteUser(w Writer, name string) { w.Delete(backend.AuthUsers, []byte(name)) }

// Roles reads every role, ascending by name.
func Roles(r Reader) (out []*authpb.Role, err error) {
	err = r.Scan(backend.AuthRoles, nil, nil, func(key, value []byte) error {
		role := new(authpb.Role)
		if err := role.UnmarshalVT(value); err != nil {
			return fmt.Errorf("role %q: %w: restore the member from a snapshot", key, err)
		}
		out = append(out, role)
		return nil
	})
	return out, err
}

// PutRole sets a role's row.
func PutRole(w Writer, r *authpb.Role) { w.Put(backend.AuthRoles, []byte(r.GetName()), mustMarshal(r)) }

// DeleteRole removes a role's row.
func DeleteRole(w Writer, name string) { w.Delete(backend.AuthRoles, []byte(name)) }
