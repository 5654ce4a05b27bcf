// Package wal is the write-ahead log of raft: entries, hard states and snapshot marks in etcd's file format, so that each can open the other's directory.
//
// A log is a directory of segments named SEQ-INDEX.wal. A segment is a run of frames: an 8-byte length, a record, padding
// to a multiple of eight. A record has a type, a running CRC-32C over the data of all records so far, and data. Every
// segment begins with the checksum of the one before, the metadata and the last hard state, so that reading can start at
// any of them. The rest of the newest segment is preallocated zeros; a zero length ends it.
//
// # What a crash leaves
//
// Append writes, Sync makes durable, and nothing may be acknowledged in between. A power cut keeps any subset of the
// 512-byte sectors written since the last Sync. So a record in the newest segment that fails its checksum is torn, and
// dropped with all that follows, when it goes on behind the end of the file, when one of its sectors is still all zeros
// on disk, or when zeros follow from inside it to the end of the file. In all other cases bytes were changed after they
// were written, and opening fails with a DamageError and changes nothing. What this cannot tell from a torn write is a
// synced record of which a whole sector, or the end of the very last one, was later set to zeros.
//
// The checksum covers the data of a record, not its type and length. So lengths must be what the encoder would write and
// agree with the record, and what a record says must fit the log before it: terms never go back, indexes leave no hole,
// what is committed is there.
//
// A frame never straddles sectors with its length (both are multiples of eight), and a new segment gets its name only
// after its head is durable.
//
// # Ownership
//
// One WAL has one writer at a time; the writing mutex makes AppendSnapshot, which comes from another goroutine than
// Append, wait its turn. Segments that a restart would read are locked against Purge until Release lets them go.
package wal
