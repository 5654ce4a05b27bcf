package words

import (
	"fmt"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

func watch(r *pb.WatchCreateRequest) string {
	text := "watch " + Interval(r.Key, r.RangeEnd) + number(" from rev %d", r.StartRevision)
	for _, f := range r.Filters {
		text += " " + strings.ToLower(f.String())
	}
	return text + word(r.PrevKv, "with what was there") + word(r.ProgressNotify, "with progress") + word(r.Fragment, "in fragments")
}

func events(r *pb.WatchResponse) string {
	switch {
	case r.Canceled:
		return join("canceled", number("compacted to rev %d", r.CompactRevision), Text(r.CancelReason, lineRunes), revision(r.Header))
	case r.Created:
		return join("created", revision(r.Header))
	case len(r.Events) == 0:
		return join("progress", revision(r.Header))
	}
	return changes(r.Events)
}

// Events says what was changed: "put a=1@5, delete b@5".
func Events(list []*mvccpb.Event) string {
	if len(list) == 0 {
		return "nothing"
	}
	return Text(changes(list), lineRunes)
}

func changes(list []*mvccpb.Event) string {
	var texts []string
	for _, e := range list[:min(len(list), listed)] {
		texts = append(texts, event(e))
	}
	if more := len(list) - listed; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more events", more))
	}
	return strings.Join(texts, ", ")
}

func event(e *mvccpb.Event) string {
	if e.Type == mvccpb.Event_DELETE {
		return fmt.Sprintf("delete %s@%d", Bytes(e.GetKv().GetKey()), e.GetKv().GetModRevision())
	}
	return fmt.Sprintf("put %s=%s@%d", Bytes(e.GetKv().GetKey()), Bytes(e.GetKv().GetValue()), e.GetKv().GetModRevision())
}

func timeToLive(r *pb.LeaseTimeToLiveResponse) string {
	if r.TTL < 0 {
		return join("no such lease", revision(r.Header))
	}
	var keys []string
	for _, k := range r.Keys[:min(len(r.Keys), listed)] {
		keys = append(keys, Bytes(k))
	}
	if len(r.Keys) > listed {
		keys = append(keys, fmt.Sprintf("%d more", len(r.Keys)-listed))
	}
	return join(fmt.Sprintf("%d s of %d s left", r.TTL, r.GrantedTTL), strings.Join(keys, " "), revision(r.Header))
}
