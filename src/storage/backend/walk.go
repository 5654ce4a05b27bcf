package backend

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// Walk flushes, and calls fn for every bucket of the file in the order of names, known or not: once with its name alone,
// then with each of its rows. It passes an error of fn on. Bytes are valid during the call. It sees one state of the file,
// and holds old pages of it as long as it takes.
func (b *Backend) Walk(fn func(bucket, key, value []byte) error) error {
	view, err := b.flushed()
	if err != nil {
		return err
	}
	defer view.Close()
	return view.tx.tx.ForEach(func(name []byte, in *bbolt.Bucket) error {
		if err := fn(name, nil, nil); err != nil {
			return err
		}
		return in.ForEach(func(k, v []byte) error {
			if v == nil {
				return fmt.Errorf("bucket %q holds bucket %q, which no store file has: restore the member from a snapshot", name, k)
			}
			return fn(name, k, v)
		})
	})
}
