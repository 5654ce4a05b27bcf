// Package pages reads the keys of a prefix in pages, all of them as they are at one revision.
package pages

import (
	"context"
	"io"

	"quoin.dev/client"
)

// The keys of a page are as many as fit between these sizes, as far as the page before tells, and at most maxKeys.
const (
	firstKeys = 128
	maxKeys   = 8192
	smallPage = 512 << 10 // bytes
	largePage = 2 << 20   // bytes
)

// Get is client.KV.Get, or what somebody puts around it: a deadline, another attempt.
type Get func(ctx context.Context, key string, opts ...client.OpOption) (*client.GetResponse, error)

// Reader reads page after page. Large values make the pages short, so that neither side holds more than some megabytes.
type Reader struct {
	get       Get
	opts      []client.OpOption
	next, end string // of the interval that is left
	revision  int64
	keys      int // of the next page
	over      bool
}

// New returns a Reader of the keys with the prefix, "" = all, as they are at the revision, 0 = the newest one when the first page
// is read. The options are for every request; they must not change the interval, the order or the limit.
func New(get Get, prefix string, revision int64, opts ...client.OpOption) *Reader {
	r := &Reader{get: get, opts: opts, next: "\x00", end: "\x00", revision: revision, keys: firstKeys}
	if prefix != "" {
		r.next, r.end = prefix, client.GetPrefixRangeEnd(prefix)
	}
	return r
}

// Next returns the next page, which may be empty, and io.EOF behind the last one. Its Count is that of the keys that were left
// before it.
func (r *Reader) Next(ctx context.Context) (*client.GetResponse, error) {
	if r.over {
		return nil, io.EOF
	}
	opts := append([]client.OpOption{client.WithRange(r.end), client.WithRev(r.revision), client.WithLimit(int64(r.keys))}, r.opts...)
	page, err := r.get(ctx, r.next, opts...)
	if err != nil {
		return nil, err
	}
	if r.revision == 0 {
		r.revision = page.Header.Revision
	}
	if !page.More || len(page.Kvs) == 0 {
		r.over = true
		return page, nil
	}
	r.next = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	r.keys = pageKeys(r.keys, page)
	return page, nil
}

// Revision is the one that is read at, 0 before the first page if it was not given.
func (r *Reader) Revision() int64 { return r.revision }

// Skip lets the next page begin at the key, if that is further on. The key "\x00" is the end of all keys, as in a range.
func (r *Reader) Skip(key string) {
	switch {
	case key == "\x00" || r.end != "\x00" && key >= r.end:
		r.over = true
	case key > r.next:
		r.next = key
	}
}

// pageKeys returns how many keys to ask for after a page.
func pageKeys(keys int, last *client.GetResponse) int {
	size := 0
	for _, kv := range last.Kvs {
		size += len(kv.Key) + len(kv.Value)
	}
	switch {
	case size < smallPage:
		return min(2*keys, maxKeys)
	case size > largePage:
		return max(keys/2, 1)
	}
	return keys
}
