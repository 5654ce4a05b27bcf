// Package concurrency has locks, elections and transactions of several steps on top of the client. Names and key layout
// are those of etcd's package, so that programs with either of them work together.
//
// # Sessions
//
// A Session is a lease that is kept alive. What a Mutex or an Election holds is a key with this lease: it is gone when
// the program is, after the TTL at the latest.
//
// # Fencing
//
// No lease tells a holder at the right moment that it is over: the program may be suspended between its last look and its
// next write, the lease end meanwhile, and another one hold the lock. Whatever must not be written by a holder of the past
// has to be refused by the store itself. The create revision of the key of a lock is a fencing token for that: it grows
// with each holder, and it is gone with the key.
//
//   - Keys in the same store: write them in a transaction with the condition Mutex.IsOwner, or for an Election
//     client.Compare(client.CreateRevision(e.Key()), "=", e.Rev()). A former holder's transaction then fails.
//   - Anything else: send the create revision along, and let the receiver refuse one that is lower than the highest it
//     has seen. For a Mutex it is the create revision of Mutex.Key, for an Election it is Election.Rev.
//
// Lock and Campaign look again whether the own key is still there when they have waited, so that one that was suspended
// while it waited learns that it lost its place.
package concurrency
