package storefile

import (
	"fmt"

	"quoin.dev/pkg/human"
	"quoin.dev/utl/printer"
)

// Fields are in the order of etcdutl's output.
func (s Status) Fields() []printer.Field {
	return []printer.Field{
		{Name: "Hash", Title: "hash", Value: s.Hash, Text: fmt.Sprintf("%x", s.Hash)},
		{Name: "Revision", Title: "revision", Value: s.Revision},
		{Name: "Keys", Title: "total keys", Value: s.TotalKey},
		{Name: "Size", Title: "total size", Value: s.TotalSize, Text: human.Bytes(uint64(s.TotalSize))},
		{Name: "Version", Title: "version", Value: s.Version},
	}
}

// Fields are in the order of etcdutl's output.
func (h HashKV) Fields() []printer.Field {
	return []printer.Field{
		{Name: "Hash", Title: "hash", Value: h.Hash},
		{Name: "Hash revision", Title: "hash revision", Value: h.HashRevision},
		{Name: "Compact revision", Title: "compact revision", Value: h.CompactRevision},
	}
}

// Fields say what a whole file holds.
func (s Summary) Fields() []printer.Field {
	return []printer.Field{
		{Name: "Version", Title: "version", Value: s.Version},
		{Name: "Cluster version", Title: "cluster version", Value: s.ClusterVersion},
		{Name: "Checksum", Title: "checksum", Value: s.Checksum},
		{Name: "Size", Title: "size", Value: s.Bytes, Text: human.Bytes(uint64(s.Bytes))},
		{Name: "Size in use", Title: "in use", Value: s.InUseBytes, Text: human.Bytes(uint64(s.InUseBytes))},
		{Name: "Applied index", Title: "applied index", Value: s.AppliedIndex},
		{Name: "Applied term", Title: "applied term", Value: s.AppliedTerm},
		{Name: "Revision", Title: "revision", Value: s.Revision},
		{Name: "Compact revision", Title: "compact revision", Value: s.CompactRevision},
		{Name: "Keys", Title: "keys", Value: s.Keys},
		{Name: "Leases", Title: "leases", Value: s.Leases},
		{Name: "Members", Title: "members", Value: s.Members},
		{Name: "Users", Title: "users", Value: s.Users},
		{Name: "Roles", Title: "roles", Value: s.Roles},
		{Name: "Alarms", Title: "alarms", Value: s.Alarms},
	}
}
