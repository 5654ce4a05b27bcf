package check

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/check/waldir"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// durable: what was acknowledged is still there, in the log of the changes and in the logs on the disks.
func durable(ctx context.Context, e *evidence, v *sheet) {
	writes := 0
	for i := range e.Operations {
		op := &e.Operations[i]
		changed, certain := eventlog.Changed(op.Response)
		if op.Outcome != history.OK || !changed || !certain {
			continue
		}
		writes++
		e.notTakenBack(i, op, v)
	}
	if writes == 0 {
		return
	}
	v.Judged = fmt.Sprintf("%d acknowledged writes", writes)
	e.onDisks(ctx, v)
}

// notTakenBack: the revision of an acknowledged write is not behind the last ones of the members, and in the log, if there is one.
func (e *evidence) notTakenBack(i int, op *history.Operation, v *sheet) {
	revision := eventlog.RevisionOf(op.Response)
	lost := func(format string, args ...any) {
		v.find(history.Finding{At: op.Return, Operations: []int{i}, Text: fmt.Sprintf("expected %s, acknowledged at revision %d at %s, %s, to be kept; ", words.Request(op.Request),
			revision, at(op.Return), e.since(op.Return)) + fmt.Sprintf(format, args...) + "; " + e.who(i)})
	}
	if owner := e.owners.Of(revision); owner.Operation != i && e.log.Change(revision) != nil {
		lost("found that revision %d is that of %s", revision, e.who(owner.Operation))
		return
	}
	for _, end := range e.Ends {
		if end.Error == "" && end.Revision > 0 && end.Revision < revision {
			lost("found that %s ends at revision %d", end.Member, end.Revision)
			return
		}
	}
}

// onDisks looks for every acknowledged request in the logs of the members.
func (e *evidence) onDisks(ctx context.Context, v *sheet) {
	var logs []*waldir.Log
	for _, end := range e.Ends {
		if end.DataDir == "" || e.options.Dir == "" || ctx.Err() != nil {
			continue
		}
		l, err := waldir.Read(filepath.Join(e.options.Dir, end.DataDir))
		if err != nil {
			v.find(history.Finding{At: e.Duration, Text: fmt.Sprintf("expected the log on the disk of %s to be readable, found: %v", end.Member, err)})
			continue
		}
		l.Member = end.Member
		logs = append(logs, l)
	}
	if len(logs) == 0 {
		v.Judged += "; no disks were kept"
		return
	}
	voters := waldir.Voters(logs)
	if len(voters) == 0 {
		voters = logs
	}
	covered := 0
	count := waldir.Index(voters)
	for i := range e.Operations {
		op := &e.Operations[i]
		if op.Outcome != history.OK || !inLog(op) {
			continue
		}
		on, behind := count.Take(op.Request)
		if 2*len(on) > len(voters) {
			continue
		}
		if behind {
			covered++
			continue
		}
		v.find(history.Finding{At: op.Return, Operations: []int{i}, Text: fmt.Sprintf("expected %s, acknowledged at %s, %s, in the logs of a majority of %d voters; found it in those of %s; %s",
			words.Request(op.Request), at(op.Return), e.since(op.Return), len(voters), names(on), e.who(i))})
	}
	v.Judged += fmt.Sprintf(", against the logs of %d voters", len(voters))
	if covered > 0 {
		v.Judged += fmt.Sprintf("; %d may be behind snapshots, where no log has them any more", covered)
	}
}

// inLog tells whether an acknowledged request must be an entry of the log as it was sent.
func inLog(op *history.Operation) bool {
	switch r := op.Request.(type) {
	case *pb.PutRequest, *pb.LeaseRevokeRequest:
		return true
	case *pb.LeaseGrantRequest:
		return r.ID != 0
	case *pb.DeleteRangeRequest, *pb.TxnRequest:
		changed, _ := eventlog.Changed(op.Response)
		return changed
	}
	return false
}

func names(members []string) string {
	if len(members) == 0 {
		return "none"
	}
	slices.Sort(members)
	return strings.Join(members, ", ")
}
