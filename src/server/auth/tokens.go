package auth

import "context"

// Identity is who sends a request. The zero value is nobody.
type Identity struct {
	User string
	// Revision is that of the users and roles for which the credentials are good. A request with an older one than the
	// member's is refused, since what the user was allowed to do may have changed.
	Revision uint64
}

// TokenProvider makes tokens for users who have shown their password, and tells later whose they are. Its methods may be
// called by many goroutines at once; only Lookup may wait.
//
// A simple token is known to every member, since each of them assigns it when it applies the same entry: the secret part
// comes with the entry, and the index of the entry is the rest. Tokens of other kinds carry all that is to know about them.
type TokenProvider interface {
	// Secret returns the part of a new token that is drawn before its entry is proposed, and goes with the entry as
	// InternalAuthenticateRequest.simple_token; "" where tokens do not have such a part. Error: no randomness.
	Secret() (string, error)
	// Assign returns the token of a user, as of a revision of users and roles, when the entry at index is applied. Error: such
	// tokens can not be made here, for the lack of a key.
	Assign(user string, revision uint64, secret string, index uint64) (string, error)
	// Lookup returns whose token this is, false if nobody's. A token that says nothing of the revision is good for the current
	// one, which is passed in. It waits until the entry of the token is applied here, or ctx is done.
	Lookup(ctx context.Context, token string, current uint64) (Identity, bool)
	// Enable is called when authentication is, also at the start of a member; calling it again changes nothing.
	Enable()
	// Disable forgets every token. No token is found or assigned until Enable.
	Disable()
	// Forget ends the tokens of a user, who was deleted, or has a new password.
	Forget(user string)
	// Close stops what runs in the background. Nothing is called afterwards.
	Close()
}
