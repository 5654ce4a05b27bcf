package metrics

import (
	"slices"

	"quoin.dev/server/member"
	"quoin.dev/server/membership"
)

// What etcd does not have.
var (
	ownFamilies catalog

	appendQueue   = ownFamilies.gauge("quoin_raft_append_queue_length", "Batches of log entries that wait until the disk has taken those before them.")
	applyQueue    = ownFamilies.gauge("quoin_raft_apply_queue_length", "Batches of committed entries that wait to be applied.")
	proposalQueue = ownFamilies.gauge("quoin_raft_proposal_queue_length", "Requests that raft has not taken yet: there is no leader, or it leaves.")
	proposalBytes = ownFamilies.gauge("quoin_raft_proposal_queue_bytes", "Bytes of these requests.")
	applyLag      = ownFamilies.gauge("quoin_raft_apply_lag_entries", "Log entries that are committed and not applied here; requests are refused from --max-apply-lag on.")
	followerLag   = ownFamilies.gauge("quoin_raft_follower_lag_entries", "Log entries that another member has not acknowledged; shown by the leader only.", "remote")

	stalledFor = ownFamilies.gauge("quoin_disk_stalled_seconds", "How long the write that is under way has kept requests waiting.")
	stalls     = ownFamilies.counter("quoin_disk_stalls_total", "Times that the disk did not answer for an election timeout. The member is not ready then, and does not lead.")
	unready    = ownFamilies.gauge("quoin_unready", "1 while clients should ask another member, by the reason.", "reason")

	inFlight      = ownFamilies.gauge("quoin_requests_in_flight", "Requests on their way through the log.")
	inFlightBytes = ownFamilies.gauge("quoin_requests_in_flight_bytes", "Bytes of these requests.")
	refused       = ownFamilies.counter("quoin_requests_refused_total", "Requests that were not taken, by the reason.", "reason")

	auditLines = ownFamilies.counter("quoin_audit_lines_total", "Lines of the audit log.")
	auditLost  = ownFamilies.counter("quoin_audit_lost_lines_total", "Lines of the audit log that could not be written, or not in time.")

	watchBytes = ownFamilies.gauge("quoin_watch_backlog_bytes", "Bytes of events that wait until clients take them.")
	watchInbox = ownFamilies.gauge("quoin_watch_inbox_bytes", "Bytes of changes that have not been held against watchers yet.")

	leases        = ownFamilies.gauge("quoin_leases", "Leases.")
	leasesOverdue = ownFamilies.gauge("quoin_leases_overdue", "Leases that are over, and whose keys are not deleted yet; shown by the leader only.")

	tableBytes   = ownFamilies.gauge("quoin_backend_pending_bytes", "Memory of applied changes that are not in the database yet.")
	tableBatches = ownFamilies.gauge("quoin_backend_pending_batches", "Batches of them.")
	indexBytes   = ownFamilies.gauge("quoin_mvcc_index_bytes", "Memory of the index of keys.")
	compacting   = ownFamilies.gauge("quoin_compaction_in_progress", "1 while a compaction removes what it has to.")
	snapshotting = ownFamilies.gauge("quoin_snapshots_in_progress",
		"Snapshots that are under way: to the disk, to another member, or to a client.", "to")
)

// reasons are the labels for why a member is not ready.
var reasons = map[string]error{"disk_stalled": member.ErrDiskStalled, "differs": member.ErrDiffers}

// own is about queues and limits.
func (o out) own(f *member.Figures, m *member.Meter) {
	o.put(appendQueue, float64(f.Queues.Appends))
	o.put(applyQueue, float64(f.Queues.Applies))
	o.put(proposalQueue, float64(f.Queues.Proposals))
	o.put(proposalBytes, float64(f.Queues.ProposalBytes))
	o.count(applyLag, f.Commit-min(f.Commit, f.Applied))
	for id, lag := range f.Lags {
		o.count(followerLag, lag, membership.FormatID(id))
	}
	o.put(stalledFor, f.DiskStalledFor.Seconds())
	o.count(stalls, m.Stalls.Load())
	for label, reason := range reasons {
		o.truth(unready, slices.Contains(f.Unwell, reason), label)
	}
	o.put(inFlight, float64(f.InFlight))
	o.put(inFlightBytes, float64(f.InFlightBytes))
	m.Refused.Each(func(reason string, n uint64) { o.count(refused, n, reason) })
	o.put(watchBytes, float64(f.Watches.WaitingBytes))
	o.put(watchInbox, float64(f.Watches.InboxBytes))
	if f.Lags != nil {
		o.put(leasesOverdue, float64(f.OverdueLeases))
	}
	o.truth(snapshotting, f.TakingSnapshot, "disk")
	o.put(snapshotting, float64(f.SendingSnapshots), "member")
	o.put(snapshotting, float64(f.ReadingSnapshots), "client")
}

// ownState is about memory and what goes on beside requests.
func (o out) ownState(s *member.StateFigures) {
	o.put(leases, float64(s.Leases))
	o.put(tableBytes, float64(s.Pending.Bytes))
	o.count(tableBatches, s.Pending.Batches)
	o.put(indexBytes, float64(s.IndexBytes))
	o.truth(compacting, s.Compacting)
}
