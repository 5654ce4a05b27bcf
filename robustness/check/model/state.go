// Package model is what the store must answer: its keys, leases and users as a pure function of one request after the other.
//
// It is written from etcd's documented semantics and shares no code with the member, so that a fault of one is not one of the other.
// Nothing in it changes: a step returns another state, which shares with the one before what is equal. So a search may go back.
package model

import (
	"fmt"
	"hash/fnv"
	"time"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/check/persistent"
)

// Keys are those that exist at one revision.
type Keys = persistent.Map[*mvccpb.KeyValue]

// State is a store at one moment.
type State struct {
	revision, compacted int64
	keys                Keys
	past                *version
	// lookup finds the keys of past revisions where past does not have them.
	lookup func(revision int64) (Keys, bool)
	leases persistent.Map[lease] // by leaseKey
	auth   *auth
	// print is a hash of everything that happened to keys, in its order, and leasePrint one of the leases there are.
	print, leasePrint uint64
}

// lease is one that was granted. Its keys are those that name it.
type lease struct {
	ttl int64 // seconds, as granted
	// renewed is when the last renewal that was answered was asked for. The lease lives for its TTL from then on, at least.
	renewed time.Duration
}

// firstRevision is that of an empty store.
const firstRevision = 1

// New is an empty store.
func New() *State {
	s := &State{revision: firstRevision, auth: newAuth()}
	s.past = s.past.next(s.revision, s.keys)
	return s
}

// At is a store that holds keys at a revision, whose leases are not known. past, if set, finds the keys of the revisions before.
func At(revision int64, keys Keys, past func(revision int64) (Keys, bool)) *State {
	s := &State{revision: revision, keys: keys, lookup: past, auth: newAuth()}
	s.past = s.past.next(revision, keys)
	return s
}

// Revision is that of the last change.
func (s *State) Revision() int64 { return s.revision }

// Keys are those that exist.
func (s *State) Keys() Keys { return s.keys }

// Equal tells whether two states can not be told apart by anything that comes.
func (s *State) Equal(o *State) bool {
	return s.revision == o.revision && s.compacted == o.compacted && s.print == o.print && s.leasePrint == o.leasePrint && s.auth.print == o.auth.print
}

// Hash is equal for states that are.
func (s *State) Hash() uint64 {
	return mix(s.print, uint64(s.revision), uint64(s.compacted), s.leasePrint, s.auth.print)
}

// String shows what there is, in short.
func (s *State) String() string {
	text := fmt.Sprintf("revision %d", s.revision)
	n := 0
	s.keys.From("", func(key string, kv *mvccpb.KeyValue) bool {
		if n++; n > 12 {
			text += fmt.Sprintf("; %d keys", s.keys.Len())
			return false
		}
		text += fmt.Sprintf("; %q = %.32q (%d)", key, kv.Value, kv.ModRevision)
		return true
	})
	return text
}

// changed is the state after a transaction that changed something.
func (s *State) changed(keys Keys, events []*mvccpb.Event) *State {
	next := *s
	next.revision, next.keys = s.revision+1, keys
	next.past = s.past.next(next.revision, keys)
	for _, e := range events {
		next.print = mix(next.print, uint64(e.Type), hash(e.Kv.Key), hash(e.Kv.Value), uint64(e.Kv.Lease))
	}
	return &next
}

// withLease is the state in which there is a lease, as given.
func (s *State) withLease(id int64, l lease) *State {
	next := s.withoutLease(id)
	next.leases = next.leases.With(leaseKey(id), l)
	next.leasePrint ^= l.print(id)
	return next
}

func (s *State) withoutLease(id int64) *State {
	next := *s
	if last, ok := s.leases.Get(leaseKey(id)); ok {
		next.leases = s.leases.Without(leaseKey(id))
		next.leasePrint ^= last.print(id)
	}
	return &next
}

func (l lease) print(id int64) uint64 { return mix(uint64(id), uint64(l.ttl), uint64(l.renewed)) }

func leaseKey(id int64) string { return fmt.Sprintf("%016x", uint64(id)) }

// keysAt are those that existed at a revision; false if that is not known any more.
func (s *State) keysAt(revision int64) (Keys, bool) {
	if v := s.past.at(revision); v != nil {
		return v.keys, true
	}
	if s.lookup != nil {
		return s.lookup(revision)
	}
	return Keys{}, false
}

// attached are the keys of a lease in their order.
func (s *State) attached(id int64) []string {
	var keys []string
	s.keys.From("", func(key string, kv *mvccpb.KeyValue) bool {
		if kv.Lease == id {
			keys = append(keys, key)
		}
		return true
	})
	return keys
}

func (s *State) withAuth(a *auth) *State {
	next := *s
	next.auth = a
	return &next
}

// version is the keys at a revision, with ways to those before: to the last one, and to one far back, so that any is found in
// a logarithmic number of steps.
type version struct {
	revision     int64
	keys         Keys
	depth        int
	parent, jump *version
}

func (v *version) next(revision int64, keys Keys) *version {
	n := &version{revision: revision, keys: keys, parent: v, jump: v}
	if v == nil {
		return n
	}
	n.depth = v.depth + 1
	if v.jump != nil && v.jump.jump != nil && v.depth-v.jump.depth == v.jump.depth-v.jump.jump.depth {
		n.jump = v.jump.jump
	}
	return n
}

// at is the version of a revision, nil if there is none.
func (v *version) at(revision int64) *version {
	for v != nil && v.revision > revision {
		if v.jump != nil && v.jump.revision >= revision {
			v = v.jump
		} else {
			v = v.parent
		}
	}
	return v
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b)
	return h.Sum64()
}

// mix is a hash of numbers in their order.
func mix(numbers ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, n := range numbers {
		h ^= n + 0x9e3779b97f4a7c15 + h<<6 + h>>2
		h *= 0xff51afd7ed558ccd
		h ^= h >> 33
	}
	return h
}

// Request is what was asked for.
type Request struct {
	// User is who asked; empty for nobody.
	User string
	// Message is a request of the KV, Lease or Auth service, an *Expire or a *Foreign.
	Message any
	// Call and Return are between which it happened.
	Call, Return time.Duration
}

// Answer is what is known of what came of it.
type Answer struct {
	// Response is the answer, nil if there was an error or it is not known.
	Response proto.Message
	// Error is the message of the error.
	Error string
	// Revision is the one that it is known to have made, if there is no response.
	Revision int64
	// None says that nothing at all is known: it was done, or it was not.
	None bool
}

// Expire is the end of a lease whose time is over. No client asks for it.
type Expire struct{ Lease int64 }

// Foreign are changes that are known to have been made, at one revision, by somebody whose request is not known.
type Foreign struct{ Events []*mvccpb.Event }

// Granted is the state in which all leases exist that a request needs.
func (s *State) Granted(request any) *State {
	for _, id := range leasesOf(request) {
		if _, ok := s.leases.Get(leaseKey(id)); !ok {
			s = s.withLease(id, lease{})
		}
	}
	return s
}
