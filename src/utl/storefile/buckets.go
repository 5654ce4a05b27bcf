package storefile

import (
	"quoin.dev/pkg/human"
	"quoin.dev/storage/backend"
	"quoin.dev/utl/printer"
)

// Bucket is how much a bucket holds.
type Bucket struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"` // of keys and values
}

// Fields are the columns.
func (b Bucket) Fields() []printer.Field {
	return []printer.Field{
		{Name: "Bucket", Title: "bucket", Value: b.Name},
		{Name: "Rows", Title: "rows", Value: b.Rows},
		{Name: "Size", Title: "size", Value: b.Bytes, Text: human.Bytes(uint64(b.Bytes))},
	}
}

// Buckets counts the rows of every bucket, in the order of names.
func Buckets(b *backend.Backend) (out []Bucket, err error) {
	err = b.Walk(func(name, key, value []byte) error {
		if key == nil {
			out = append(out, Bucket{Name: string(name)})
			return nil
		}
		last := &out[len(out)-1]
		last.Rows++
		last.Bytes += int64(len(key) + len(value))
		return nil
	})
	return out, err
}
