package auth

import (
	"bytes"
	"sync/atomic"

	"quoin.dev/api/authpb"
	"quoin.dev/storage/schema"
)

// firstRevision is that of a store in which nothing has changed yet.
const firstRevision = 1

// Store holds users, roles and the switch as the log says. One goroutine changes it, the applier; any may look at it, without a
// lock. It outlives the database: after a received snapshot it holds what that one says.
type Store struct {
	tokens TokenProvider
	rows   schema.Writer // takes rows into the batch that is being applied
	view   atomic.Pointer[View]
}

// New returns a store without users, in which authentication is off. Load gives it what is stored.
func New(tokens TokenProvider) *Store {
	s := &Store{tokens: tokens}
	s.view.Store(&View{revision: firstRevision, users: map[string]*user{}, roles: map[string]*authpb.Role{}})
	return s
}

// View returns users, roles and the switch as they are now.
func (s *Store) View() *View { return s.view.Load() }

// Load replaces everything by what is stored, and persists further changes into rows. A start and a received snapshot share it,
// so that neither can forget a part (etcd#14571, etcd#14355). Tokens stay (etcd#13205), but for those of users who were deleted or got
// a new password meanwhile.
func (s *Store) Load(stored schema.Reader, rows schema.Writer) error {
	next := &View{enabled: schema.AuthEnabled(stored), revision: schema.AuthRevision(stored), users: map[string]*user{}, roles: map[string]*authpb.Role{}}
	users, err := schema.Users(stored)
	if err != nil {
		return err
	}
	roles, err := schema.Roles(stored)
	if err != nil {
		return err
	}
	for _, u := range users {
		next.users[string(u.Name)] = newUser(u)
	}
	for _, r := range roles {
		next.roles[string(r.Name)] = r
	}
	if next.revision == 0 {
		next.revision = firstRevision // goes to disk with the first batch
		schema.PutAuthRevision(rows, next.revision)
	}
	last := s.View()
	s.rows = rows
	s.view.Store(next)
	if !next.enabled {
		s.tokens.Disable()
		return nil
	}
	s.tokens.Enable()
	for name, u := range last.users {
		if now := next.users[name]; now == nil || !bytes.Equal(now.row.Password, u.row.Password) {
			s.tokens.Forget(name)
		}
	}
	return nil
}

// publish shows a changed view to everybody, at the next revision.
func (s *Store) publish(next *View) {
	next.revision++
	schema.PutAuthRevision(s.rows, next.revision)
	s.view.Store(next)
}

// Enable switches authentication on; again changes nothing. Errors: ErrRootUserNotExist, ErrRootRoleNotExist.
func (s *Store) Enable() error {
	next := s.View().clone()
	u := next.users[Root]
	switch {
	case next.enabled:
		return nil
	case u == nil:
		return ErrRootUserNotExist
	case !u.isRoot:
		return ErrRootRoleNotExist
	}
	next.enabled = true
	schema.PutAuthEnabled(s.rows, true)
	s.tokens.Enable()
	s.view.Store(next)
	return nil
}

// Disable switches authentication off; again changes nothing. All tokens end.
func (s *Store) Disable() {
	next := s.View().clone()
	if !next.enabled {
		return
	}
	next.enabled = false
	schema.PutAuthEnabled(s.rows, false)
	s.publish(next)
	s.tokens.Disable()
}

// Login is what became of an authentication that was applied.
type Login struct {
	Token    string // "" if tokens of this kind are made by who asked, see Issue
	Revision uint64 // of users and roles when it was applied
	Password []byte // that the user had then, hashed: another one than was checked does not count
}

// Login assigns the token of a user whose password was checked before the entry was proposed. Errors: those of View.Password, and
// of the tokens.
func (s *Store) Login(name, secret string, index uint64) (l Login, err error) {
	v := s.View()
	l.Revision = v.revision
	if l.Password, err = v.Password(name); err != nil {
		return Login{}, err
	}
	if secret != "" {
		l.Token, err = s.tokens.Assign(name, v.revision, secret, index)
	}
	return l, err
}
