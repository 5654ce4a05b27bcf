package client

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
)

// Event is a change of a key. A delete carries only the key and the revision of the change; what was there before is in
// PrevKv under WithPrevKV, unless it was compacted.
type Event = mvccpb.Event

// Types of events.
const (
	EventTypePut    = mvccpb.Event_PUT
	EventTypeDelete = mvccpb.Event_DELETE
)

// Identifiers of watches on the wire.
const (
	// AutoWatchID in a request lets the member choose.
	AutoWatchID = 0
	// InvalidWatchID in a reply means that it belongs to no one watch.
	InvalidWatchID = -1
)

// Watcher watches keys.
type Watcher interface {
	// Watch tells of the changes of a key, or with WithRange, WithPrefix or WithFromKey of an interval of keys, in the
	// order of their revisions and each once. It begins at the revision of WithRev, or else with the first change
	// after the member has taken the watch. It returns when the member has, so that a put that follows is seen.
	//
	// When the connection breaks, the watch goes on at another member behind the last revision that it has told of. It
	// ends in one of these ways, each of which closes the channel:
	//   - The context ends. It must, or the watch stays for as long as the client; nothing more is sent then.
	//   - The revision to begin or to go on with is compacted, or the member refuses the watch. The last response
	//     says why: Canceled is set and Err returns the reason.
	//   - The member has no leader and the context is one of WithRequireLeader: the last response has rpctypes.ErrNoLeader.
	//     Without WithRequireLeader, a watch stays silent at a member that is cut off from the others.
	//   - Close, which leaves a last response with context.Canceled if there is room for it.
	//
	// Watches whose contexts carry the same outgoing metadata share one stream. A slow reader does not delay the others:
	// what he has not read is kept for him up to 32 MiB. Beyond that his watch is given back to the member, and begins
	// again behind its last event once half of them are read. Revisions that are compacted in the meantime are lost
	// to him, and end his watch with rpctypes.ErrCompacted.
	Watch(ctx context.Context, key string, opts ...OpOption) WatchChan

	// RequestProgress asks for a response without events to every watch of contexts with the same outgoing metadata.
	// It comes when all of them have been told of everything up to the revision of its header. A break of the
	// connection can lose the question.
	RequestProgress(ctx context.Context) error

	// Close ends all watches.
	Close() error
}

// WatchChan is the responses to a watch.
type WatchChan <-chan WatchResponse

// WatchResponse is news of a watch: events of one or more whole revisions, or that it began, has come so far, or ended.
type WatchResponse struct {
	// Header is that of the member; Revision is where its store was.
	Header *pb.ResponseHeader
	Events []*Event

	// CompactRevision, when not 0, is the first revision that is still there. The watch wanted an older one and ended.
	CompactRevision int64

	// Canceled is set in the last response of a watch that did not end by its context.
	Canceled bool

	// Created is set in the first response under WithCreatedNotify.
	Created bool

	// CancelReason is why the member ended the watch, in its own words.
	CancelReason string

	closeErr error
}

// Err returns why the watch ended, nil while it goes on.
func (wr *WatchResponse) Err() error {
	switch {
	case wr.closeErr != nil:
		return wr.closeErr
	case wr.CompactRevision != 0:
		return rpctypes.ErrCompacted
	case wr.Canceled && wr.CancelReason != "":
		return reasonError(wr.CancelReason)
	case wr.Canceled:
		return rpctypes.Error(rpctypes.ErrGRPCWatchCanceled)
	}
	return nil
}

// IsProgressNotify reports whether the response only says that everything up to the revision of its header was told.
func (wr *WatchResponse) IsProgressNotify() bool {
	return len(wr.Events) == 0 && !wr.Canceled && !wr.Created && wr.CompactRevision == 0 && wr.Header.GetRevision() != 0
}

// reasonError returns the error that a member put into words. Some reasons are a whole gRPC status in text form.
func reasonError(reason string) error {
	text := reason
	if strings.HasPrefix(reason, "rpc error: code = ") {
		_, text, _ = strings.Cut(reason, " desc = ")
	}
	return rpctypes.Error(status.Error(codes.FailedPrecondition, text))
}
