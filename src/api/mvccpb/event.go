// Package mvccpb has keys with their revisions, and events, as they are on the wire and on disk.
package mvccpb

// IsCreate reports whether the event is a put of a key that did not exist before.
func (x *Event) IsCreate() bool {
	return x.Type == Event_PUT && x.Kv.CreateRevision == x.Kv.ModRevision
}

// IsModify reports whether the event is a put of a key that existed before.
func (x *Event) IsModify() bool {
	return x.Type == Event_PUT && x.Kv.CreateRevision != x.Kv.ModRevision
}
