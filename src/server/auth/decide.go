package auth

import (
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
)

// Attached finds the keys of a lease.
type Attached interface {
	// EveryKey reports whether ok holds for every key that is attached to a lease.
	EveryKey(id lease.ID, ok func(key string) bool) bool
}

// Decide holds a request of the log against what its sender may do: nil, or why not. Every member decides the same about an
// entry, since it depends on nothing but the arguments, and all of the request counts: what a transaction would not run, too.
//
// What no user sends passes: versions, attributes and checkpoints come from members, and alarms and compactions are decided where
// they enter the cluster, since members raise and run them as well (see Rules).
func (v *View) Decide(who Identity, r *pb.InternalRaftRequest, leases Attached) error {
	if !v.enabled {
		return nil
	}
	s := sender{v: v, who: who, leases: leases}
	switch {
	case r.Put != nil:
		return s.put(r.Put)
	case r.Txn != nil:
		return s.txn(r.Txn)
	case r.Range != nil:
		return s.read(r.Range.Key, r.Range.RangeEnd)
	case r.DeleteRange != nil:
		return s.delete(r.DeleteRange)
	case r.LeaseRevoke != nil:
		return v.WriteLease(who, lease.ID(r.LeaseRevoke.ID), leases)
	case manages(r):
		return v.Root(who)
	}
	return nil
}

// manages reports whether a request reads or changes users, roles or the switch, but for what users may ask about themselves.
func manages(r *pb.InternalRaftRequest) bool {
	return r.AuthEnable != nil || r.AuthDisable != nil ||
		r.AuthUserAdd != nil || r.AuthUserDelete != nil || r.AuthUserChangePassword != nil || r.AuthUserGrantRole != nil || r.AuthUserRevokeRole != nil ||
		r.AuthUserList != nil || r.AuthRoleList != nil ||
		r.AuthRoleAdd != nil || r.AuthRoleDelete != nil || r.AuthRoleGrantPermission != nil || r.AuthRoleRevokePermission != nil
}

// Read decides about a range, or about a watch.
func (v *View) Read(who Identity, key, end []byte) error {
	if !v.enabled {
		return nil
	}
	s := sender{v: v, who: who}
	return s.read(key, end)
}

// Txn decides about a transaction that does not go through the log.
func (v *View) Txn(who Identity, r *pb.TxnRequest) error {
	if !v.enabled {
		return nil
	}
	s := sender{v: v, who: who}
	return s.txn(r)
}

// WriteLease decides about the end of a lease, or its renewal: who may not write one of its keys may do neither.
func (v *View) WriteLease(who Identity, id lease.ID, leases Attached) error {
	if !v.enabled || v.Root(who) == nil {
		return nil
	}
	s := sender{v: v, who: who, leases: leases}
	return s.lease(id)
}

// ReadLease decides about the existence of a lease, which says something about its keys.
func (v *View) ReadLease(who Identity, id lease.ID, leases Attached) (err error) {
	if !v.enabled || v.Root(who) == nil {
		return nil
	}
	s := sender{v: v, who: who}
	leases.EveryKey(id, func(key string) bool {
		err = s.read([]byte(key), nil)
		return err == nil
	})
	return err
}

// ReadKeys decides about keys that are listed one by one.
func (v *View) ReadKeys(who Identity, keys [][]byte) error {
	if !v.enabled || v.Root(who) == nil {
		return nil
	}
	s := sender{v: v, who: who}
	for _, key := range keys {
		if err := s.read(key, nil); err != nil {
			return err
		}
	}
	return nil
}

// Root decides about what only root may do. Root stays root, so that the revision of the credentials does not matter.
func (v *View) Root(who Identity) error {
	u := v.users[who.User]
	switch {
	case !v.enabled:
		return nil
	case who.User == "":
		return ErrUserEmpty
	case u == nil:
		return ErrUserNotFound
	case !u.isRoot:
		return ErrPermissionDenied
	}
	return nil
}

// Anyone decides about what everybody may do who has shown who they are.
func (v *View) Anyone(who Identity) error {
	if v.enabled && who == (Identity{}) {
		return ErrUserEmpty
	}
	return nil
}

// OfUser decides about a question about a user: users may ask about themselves.
func (v *View) OfUser(who Identity, name string) error {
	if err := v.Root(who); err != nil && (name != who.User || name == "") {
		return err
	}
	return nil
}

// OfRole decides about a question about a role: users may ask about the roles that they have.
func (v *View) OfRole(who Identity, role string) error {
	err := v.Root(who)
	if u := v.users[who.User]; err != nil && u != nil {
		for _, own := range u.row.Roles {
			if own == role {
				return nil
			}
		}
	}
	return err
}

// Seen decides whether what who has read may be shown: not if users or roles have changed since who was asked for.
func (v *View) Seen(who Identity) error {
	if v.enabled && who.Revision != 0 && who.Revision != v.revision {
		return ErrAuthOldRevision
	}
	return nil
}
