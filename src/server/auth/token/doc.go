// Package token makes the tokens that stand for a user who has shown a password, and tells whose they are.
//
// What --auth-token says decides about the kind:
//
//   - "simple" (the default): a random text that every member remembers. A token that is not used for --auth-token-ttl seconds
//     ends; all of them end when the member does. The clients then show their passwords again.
//   - "jwt,sign-method=ES256,pub-key=FILE,priv-key=FILE,ttl=5m": a signed text (RFC 7519) with the claims username, revision
//     and exp, which a member that has the key believes without having seen it before. Somebody else may issue them: a member
//     with pub-key alone only verifies. The method is RS*, PS*, ES*, HS* (with 256, 384 or 512) or EdDSA; for HS* the bytes of
//     priv-key are the secret, and pub-key means nothing.
//   - "": no tokens. Users come from client certificates only.
//
// # Changing keys
//
// The key files are read every second, and what they hold counts at once; a file that can not be used is reported in the log,
// and the keys before it stay. pub-key may hold several keys, each of which verifies. So no token is refused when an
// operator, on all members, first adds the new public key to pub-key, then replaces priv-key, and after the ttl takes the old
// public key away. With HS*, or without pub-key, the tokens of the former key end with it, and clients show their passwords
// again.
package token
