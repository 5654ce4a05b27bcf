// Package permission explains whether the permissions of roles cover what somebody wants to do.
package permission

import (
	"quoin.dev/client"
)

// Root is the role that may do everything, whatever its permissions say.
const Root = "root"

// Role is a role with what it permits.
type Role struct {
	Name        string
	Permissions []*client.Permission
}

// Grant is one permission of a role.
type Grant struct {
	Role       string
	Permission *client.Permission
}

// Verdict is the answer of Check.
type Verdict struct {
	// By are the permissions that cover the interval together, in the order of their keys, and no more than needed. Without
	// Granted it is those up to Missing.
	By []Grant
	// Granted says that they cover all of it.
	Granted bool
	// Missing is the first key that no permission covers.
	Missing []byte
}

// everything is what the role root has.
var everything = &client.Permission{PermType: client.PermReadWrite, RangeEnd: []byte{0}}

// Check tells whether the roles together permit access of a type, PermRead or PermWrite, to an interval of keys. Permissions of
// several roles add up, and adjacent ones are as good as one, as a member sees it. An empty end is the key alone, a single zero
// byte the end of all keys.
func Check(roles []Role, access client.PermissionType, key, end []byte) Verdict {
	var grants []Grant
	for _, r := range roles {
		if r.Name == Root {
			return Verdict{Granted: true, By: []Grant{{Root, everything}}}
		}
		for _, p := range r.Permissions {
			if p.PermType == access || p.PermType == client.PermReadWrite {
				grants = append(grants, Grant{r.Name, p})
			}
		}
	}
	want := newSpan(key, end)
	v := Verdict{}
	for at := want.from; ; {
		next, reach, found := farthest(grants, at)
		if !found {
			v.Missing = []byte(at)
			return v
		}
		v.By = append(v.By, next)
		if reach.open || !want.open && reach.to >= want.to {
			v.Granted = true
			return v
		}
		at = reach.to // which is behind at, since reach covers at
	}
}

// farthest returns the permission that covers a key and goes on from there for the longest.
func farthest(grants []Grant, at string) (best Grant, reach span, found bool) {
	for _, g := range grants {
		s := newSpan(g.Permission.Key, g.Permission.RangeEnd)
		if s.covers(at) && (!found || !reach.open && (s.open || s.to > reach.to)) {
			best, reach, found = g, s, true
		}
	}
	return best, reach, found
}

// span is the keys from one up to but without another, or without an end.
type span struct {
	from, to string
	open     bool
}

func newSpan(key, end []byte) span {
	switch {
	case len(end) == 0:
		return span{from: string(key), to: string(key) + "\x00"}
	case len(end) == 1 && end[0] == 0:
		return span{from: string(key), open: true}
	default:
		return span{from: string(key), to: string(end)}
	}
}

func (s span) covers(key string) bool { return s.from <= key && (s.open || key < s.to) }
