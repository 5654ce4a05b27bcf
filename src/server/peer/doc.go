// Package peer is the network between the members of a cluster: raft messages, snapshots and probes over HTTP/1.1.
//
// A member dials every other member twice, for a "message" stream and a "msgapp" stream, and only reads what it dialled.
// To write to a member it uses the two streams which that member dialled. So a pair of members has four connections,
// each with one direction of traffic:
//
//	raft ─▶ Send ─▶ streamWriter (queue 4096) ═══ GET /raft/stream/… dialled by the other ═══▶ its streamReader ─▶ raft
//	             ├▶ pipeline     (queue 64)   ─── POST /raft, four at a time ────────────────▶ its handler      ─▶ raft
//	             └▶ SendSnapshot (at most 16) ─── POST /raft/snapshot ───────────────────────▶ its handler      ─▶ raft
//
// MsgApp goes over the msgapp stream, whose frames leave out what both ends know; everything else, and MsgApp while that
// stream is down, goes over the message stream; the POST pipeline serves while neither is up, and members that are known
// only from their requests (remotes), which have no streams.
//
// Send never waits. What does not fit in a queue is dropped and reported to raft as unreachable, since raft repeats
// itself. Proposals it does not repeat: those that were queued for a connection that broke, or that found none, are given
// back. Whatever else this package tells raft on its own account goes through the reporter goroutine, because Send is
// called by raft's own loop, which must not be waited for.
//
// Every goroutine is started by Transport.spawn and ends with the context of its owner (a peer, or the transport); Stop
// waits for all of them. The raft side is the interface Raft, the network is the interface Dialer, and time is the
// package time, so whole clusters can run in a testing/synctest bubble with package memnet below.
package peer
