// Package raftwire encodes and decodes raft entries and messages without reflection, to the same bytes as protobuf.
//
// Encoding gives exactly what deterministic proto.Marshal gives for a message without unknown fields: present fields
// in ascending field number, absent (nil) fields left out, present empty bytes written as a zero-length field. Fields
// that raft v3.7.0 does not know are dropped in both directions.
//
// Decoding borrows: Entry.Data and Message.Context point into the input (only a snapshot is copied), so the caller must
// leave the input unchanged for as long as the result lives. The numbers of one entry or message, and all entries of
// one message, share allocations; whoever keeps one of them keeps its neighbours, which is never more than what one
// frame held.
//
// What a decoder allocates is bounded by the input: one slot of fixed size (below 200 bytes) per entry that is really
// there, at most MaxEntries entries per message, and nesting no deeper than maxDepth.
package raftwire
