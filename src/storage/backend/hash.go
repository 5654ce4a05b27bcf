package backend

import (
	"hash/crc32"
	"time"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Hash is the CRC-32C over every bucket in name order: its name, then each key and value. Rows that ignore names are
// skipped; nil skips none. Everything committed is flushed first.
func (b *Backend) Hash(ignore func(bucket, key []byte) bool) (uint32, error) {
	defer b.o.Meter.Hash.Since(time.Now())
	h := crc32.New(castagnoli)
	err := b.Walk(func(bucket, key, value []byte) error {
		switch {
		case key == nil:
			_, _ = h.Write(bucket)
		case ignore == nil || !ignore(bucket, key):
			_, _ = h.Write(key)
			_, _ = h.Write(value)
		}
		return nil
	})
	return h.Sum32(), err
}
