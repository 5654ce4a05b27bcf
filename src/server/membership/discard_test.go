package membership

import "quoin.dev/storage/backend"

// discard is a schema.Writer for tests that do not look at rows.
type discard struct{}

func (discard) Put(backend.Bucket, []byte, []byte) {}
func (discard) Delete(backend.Bucket, []byte)      {}
