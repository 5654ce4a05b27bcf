// Package index maps every key to its revisions, in key order.
//
// The index holds millions of keys in a few large blocks of memory that contain no pointers, so the garbage collector
// never looks inside. Everything refers to everything else by number:
//
//   - A B+tree finds keys. A node keeps, for each of its keys, the number of the key's block in the arena and the four
//     bytes that follow the prefix common to all keys of the node; a search seldom reads more than one key in full.
//   - An arena is append-only. There is one for the keys, each a block with its newest revision, and one for the keys of
//     inner nodes. Blocks of removed keys are garbage; chunks more than half garbage are emptied by sweep and released.
//   - Superseded revisions of a key are a list in a slab, newest first; creation and version, which they mostly have in
//     common, are stored once per life.
//   - A leaf has two bits per key: live (the newest revision is not a tombstone) makes counting logarithmic, since inner
//     nodes hold the sums; busy (there is something compaction could remove) lets compaction pass over idle keys without
//     reading them.
//
// The caller guards the index: any number of Get, Latest, Scan, CountLatest, Len and Bytes may run at once, everything
// else runs alone. Key bytes handed out are never overwritten and stay valid after the guard is released; holding them
// holds the chunk of memory they are in.
package index
