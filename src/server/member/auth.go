package member

import (
	"bytes"
	"context"
	"errors"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	authtoken "quoin.dev/server/auth/token"
	"quoin.dev/server/lease"
)

// maxLogins bounds how often a password is checked for one request, since it may be changed meanwhile.
const maxLogins = 5

// Credentials are what came with a request.
type Credentials struct {
	Token string
	// CommonName is that of the certificate that the client has shown; it counts only where there is no token.
	CommonName string
}

// prepareAuth makes what authentication needs beside the rows of the database.
func (m *Member) prepareAuth() error {
	options, err := authtoken.Parse(m.cfg.Security.AuthToken)
	if err != nil {
		return err
	}
	m.tokens, err = authtoken.New(options, authtoken.Env{Logger: m.logger, SimpleTTL: m.cfg.Security.AuthTokenTTL, Applied: m.awaitApplied})
	if err != nil {
		return err
	}
	m.auth, m.passwords = auth.New(m.tokens), auth.NewPasswords(int(m.cfg.Security.BcryptCost))
	return nil
}

// Auth returns users, roles and permissions as they are now. It takes no lock.
func (m *Member) Auth() *auth.View { return m.auth.View() }

// Identify finds out who sends a request: nobody if there are no credentials, or while authentication is off. Error:
// auth.ErrInvalidAuthToken.
func (m *Member) Identify(ctx context.Context, c Credentials) (auth.Identity, error) {
	v := m.Auth()
	switch {
	case !v.Enabled():
		return auth.Identity{}, nil
	case c.Token != "":
		// A token may bring the index of the entry by which it was made, and waits for it: only then the revision counts.
		who, ok := m.tokens.Lookup(ctx, c.Token, v.Revision())
		if !ok {
			return auth.Identity{}, auth.ErrInvalidAuthToken
		}
		return who, nil
	case c.CommonName != "":
		return auth.Identity{User: c.CommonName, Revision: v.Revision()}, nil
	}
	return auth.Identity{}, nil
}

// Permit asks about what who may do. What this member knows may be old, so before it refuses anything it asks the leader how far it
// has to be.
func (m *Member) Permit(ctx context.Context, who auth.Identity, allowed func(*auth.View, auth.Identity) error) error {
	if allowed(m.Auth(), who) == nil {
		return nil
	}
	if err := m.reads.wait(ctx); err != nil {
		return err
	}
	return allowed(m.Auth(), who)
}

// ProposeFor is Propose for a request that somebody sends. It is decided when it is applied; what would be refused then is refused here already, so
// that nobody fills the log who may not write.
func (m *Member) ProposeFor(ctx context.Context, who auth.Identity, r *pb.InternalRaftRequest) (apply.Result, error) {
	if m.Auth().Enabled() {
		err := m.Permit(ctx, who, func(v *auth.View, who auth.Identity) error { return v.Decide(who, r, m.Attached()) })
		if err != nil {
			return apply.Result{}, err
		}
	}
	return m.proposeIn(ctx, anyTerm, who, r)
}

// Attached finds the keys of leases as far as this member has applied them.
func (m *Member) Attached() auth.Attached { return attached{m} }

type attached struct{ m *Member }

// EveryKey implements auth.Attached. A member that has stopped knows of no key that would be allowed.
func (a attached) EveryKey(id lease.ID, ok func(string) bool) (all bool) {
	_ = a.m.View(func(s *apply.State) error {
		all = s.Leases.EveryKey(id, ok)
		return nil
	})
	return all
}

// asRoot is who this member is when it ends leases: every member of the cluster has to let that pass, whatever keys hang on them, and a
// member of etcd does it by the user of the entry (etcd#13205).
func (m *Member) asRoot() auth.Identity {
	v := m.Auth()
	if !v.Enabled() {
		return auth.Identity{}
	}
	return auth.Identity{User: auth.Root, Revision: v.Revision()}
}

// Authenticate makes a token for a user who knows the password. Errors: auth.ErrAuthNotEnabled, auth.ErrAuthFailed,
// auth.ErrNoPasswordUser, auth.ErrTooManyPasswords.
func (m *Member) Authenticate(ctx context.Context, name, password string) (token string, err error) {
	for range maxLogins {
		if err := m.reads.wait(ctx); err != nil {
			return "", err
		}
		hash, err := m.Auth().Password(name)
		if err != nil && !errors.Is(err, auth.ErrAuthFailed) {
			return "", err
		}
		if err := m.passwords.Check(ctx, hash, password); err != nil {
			return "", err
		}
		login, err := m.login(ctx, name)
		if err != nil {
			return "", err
		}
		if bytes.Equal(login.Password, hash) {
			return login.Token, nil
		}
	}
	return "", auth.ErrAuthOldRevision
}

// login sends an authentication through the log. The password stays here (CVE-2021-28235).
func (m *Member) login(ctx context.Context, name string) (*auth.Login, error) {
	secret, err := m.tokens.Secret()
	if err != nil {
		return nil, err
	}
	r := &pb.InternalRaftRequest{Authenticate: &pb.InternalAuthenticateRequest{Name: name, SimpleToken: secret}}
	login, err := responseOf[auth.Login](m.Propose(ctx, r))
	if err != nil {
		return nil, err
	}
	if secret == "" {
		login.Token, err = m.tokens.Assign(name, login.Revision, "", 0)
	}
	return login, err
}

// AddUser makes a user. Of the password only a hash goes through the log, and a hash that comes with the request is nobody's.
func (m *Member) AddUser(ctx context.Context, who auth.Identity, r *pb.AuthUserAddRequest) (err error) {
	add := &pb.AuthUserAddRequest{Name: r.Name, Options: r.Options}
	if !r.GetOptions().GetNoPassword() {
		if add.HashedPassword, err = m.hashPassword(ctx, who, r.Password); err != nil {
			return err
		}
	}
	_, err = m.ProposeFor(ctx, who, &pb.InternalRaftRequest{AuthUserAdd: add})
	return err
}

// ChangePassword gives a user another password; an empty one lets nobody in.
func (m *Member) ChangePassword(ctx context.Context, who auth.Identity, r *pb.AuthUserChangePasswordRequest) (err error) {
	change := &pb.AuthUserChangePasswordRequest{Name: r.Name}
	if r.Password != "" {
		if change.HashedPassword, err = m.hashPassword(ctx, who, r.Password); err != nil {
			return err
		}
	}
	_, err = m.ProposeFor(ctx, who, &pb.InternalRaftRequest{AuthUserChangePassword: change})
	return err
}

// hashPassword hashes a password for somebody who may set it; for others it is too dear.
func (m *Member) hashPassword(ctx context.Context, who auth.Identity, password string) (string, error) {
	err := m.Permit(ctx, who, (*auth.View).Root)
	if err != nil {
		return "", err
	}
	return m.passwords.Hash(ctx, password)
}

// awaitApplied waits until the entry at index is applied here. Errors: ErrStopped, and the end of ctx.
func (m *Member) awaitApplied(ctx context.Context, index uint64) error {
	done := make(chan struct{})
	defer m.applied.after(index, func() { close(done) })() // anybody can ask for an index that never comes
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.stopping:
		return ErrStopped
	}
}
