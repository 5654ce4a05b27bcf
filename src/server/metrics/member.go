package metrics

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"quoin.dev/pkg/meter"

	"quoin.dev/server/audit"
	"quoin.dev/server/member"
	"quoin.dev/server/membership"
)

// patience is how long the consensus core is waited for while metrics are collected.
const patience = 250 * time.Millisecond

var (
	memberFamilies catalog

	hasLeader     = memberFamilies.gauge("etcd_server_has_leader", "Whether this member knows a leader.")
	isLeader      = memberFamilies.gauge("etcd_server_is_leader", "Whether it is the leader itself.")
	isLearner     = memberFamilies.gauge("etcd_server_is_learner", "Whether it has no vote.")
	leaderChanges = memberFamilies.counter("etcd_server_leader_changes_seen_total", "Times that another member became the leader, or one did after there was none.")
	lateTicks     = memberFamilies.counter("etcd_server_heartbeat_send_failures_total",
		"Heartbeats that this member, as the leader, sent late by an interval or more: its processor is taken, since they need no disk.")

	committed = memberFamilies.gauge("etcd_server_proposals_committed_total", "Index of the last log entry that is known to be committed.")
	applied   = memberFamilies.gauge("etcd_server_proposals_applied_total", "Index of the last log entry that is applied.")
	pending   = memberFamilies.gauge("etcd_server_proposals_pending", "Requests on their way through the log.")
	failed    = memberFamilies.counter("etcd_server_proposals_failed_total", "Requests for the log whose client got no answer in time.")

	requestTook = memberFamilies.histogram("etcd_server_request_duration_seconds",
		"How long requests took, their way through the log included. Success means that there was an answer, whatever it said.", "type", "success")
	applyTook = memberFamilies.histogram("etcd_server_apply_duration_seconds",
		"How long it took to apply an entry of the log to memory; the database follows later.", "version", "op", "success")
	rangeTook   = memberFamilies.histogram("etcd_server_range_duration_seconds", "How long ranges took without their wait to be linearizable.", "success")
	slowApplies = memberFamilies.counter("etcd_server_slow_apply_total", "Entries of the log that took longer to apply than --warning-apply-duration.")
	slowReads   = memberFamilies.counter("etcd_server_slow_read_indexes_total", "Questions to the leader for linearizable reads that had to be asked again.")
	failedReads = memberFamilies.counter("etcd_server_read_indexes_failed_total", "Such questions, each shared by many reads, that got no answer in time.")

	promotions       = memberFamilies.counter("etcd_server_learner_promote_successes", "Learners that this member, as the leader, gave a vote.")
	failedPromotions = memberFamilies.counter("etcd_server_learner_promote_failures", "Learners that it did not, by the reason.", "Reason")

	clusterVersion = memberFamilies.gauge("etcd_cluster_version", "1, with the version that the cluster speaks.", "cluster_version")
	authRevision   = memberFamilies.gauge("etcd_debugging_auth_revision", "The revision of users and roles.")
	alarms         = memberFamilies.gauge("etcd_debugging_server_alarms", "1 for each alarm that is active, with the member that raised it.", "server_id", "alarm_type")
	quota          = memberFamilies.gauge("etcd_server_quota_backend_bytes", "How large the database may get; 0 = without a limit.")
	installing     = memberFamilies.gauge("etcd_server_snapshot_apply_in_progress_total", "1 while a received snapshot replaces the database.")

	memberReads   = memberFamilies.counter("etcd_debugging_store_reads_total", "Readings of the list of members for a snapshot, which old versions keep in a store of version 2.", "action")
	memberWrites  = memberFamilies.counter("etcd_debugging_store_writes_total", "Changes of the list of members, which old versions keep in a store of version 2.", "action")
	refusedWrites = memberFamilies.counter("etcd_debugging_store_writes_failed_total", "Changes of the list of members that were refused when they were applied.", "action")
)

// memberCollector collects what a member and its parts count, and how large they are.
type memberCollector struct {
	m      *member.Member
	audits *audit.Log
}

// Describe implements prometheus.Collector.
func (*memberCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range []*catalog{&memberFamilies, &storageFamilies, &networkFamilies, &ownFamilies} {
		c.describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c *memberCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o, f, m := out(ch), c.m.Figures(ctx), c.m.Meter()
	o.raft(c.m.ID(), &f, m)
	o.requests(m)
	o.storage(m)
	o.watches(&f, m)
	o.network(c.m.ID(), m)
	o.own(&f, m)
	o.count(auditLines, c.audits.Lines())
	o.count(auditLost, c.audits.Lost())
	if f.State != nil {
		o.members(c.m.ID(), f.State)
		o.stored(f.State)
		o.ownState(f.State)
	}
}

// raft is about leadership and the log.
func (o out) raft(id uint64, f *member.Figures, m *member.Meter) {
	o.truth(hasLeader, f.Leader != 0)
	o.truth(isLeader, f.Leader == id)
	o.count(leaderChanges, m.Node.LeaderChanges.Load())
	o.count(lateTicks, m.Node.LateTicks.Load())
	o.count(committed, f.Commit)
	o.count(applied, f.Applied)
	o.put(pending, float64(f.InFlight))
	o.put(quota, float64(f.DBQuota))
	o.truth(installing, f.Installing)
}

// requests is about what clients ask for, and what becomes of it.
func (o out) requests(m *member.Meter) {
	m.Requests.Each(func(kind string, ok bool, s meter.Snapshot) { o.snapshot(requestTook, s, kind, success[ok]) })
	m.Applies.Each(func(kind string, ok bool, s meter.Snapshot) { o.snapshot(applyTook, s, "v3", kind, success[ok]) })
	m.Reads.Each(func(_ string, ok bool, s meter.Snapshot) { o.snapshot(rangeTook, s, success[ok]) })
	o.count(failed, m.ProposalsFailed.Load())
	o.count(slowApplies, m.SlowApplies.Load())
	o.count(slowReads, m.SlowReadIndexes.Load())
	o.count(failedReads, m.FailedReads.Load())
	o.count(promotions, m.Promotions.Load())
	m.FailedPromotions.Each(func(reason string, n uint64) { o.count(failedPromotions, n, reason) })
	o.count(memberReads, m.MemberReads.Load(), "get")
	m.MemberWrites.Each(func(action string, n uint64) { o.count(memberWrites, n, action) })
	m.RefusedWrites.Each(func(action string, n uint64) { o.count(refusedWrites, n, action) })
}

var success = map[bool]string{true: "true", false: "false"}

// members is about who belongs to the cluster, and what it has agreed on.
func (o out) members(id uint64, s *member.StateFigures) {
	if s.ClusterVersion != "" {
		o.put(clusterVersion, 1, minorOf(s.ClusterVersion))
	}
	o.count(authRevision, s.AuthRevision)
	learner := false
	for _, one := range s.Members {
		learner = learner || one.ID == id && one.IsLearner
		o.put(knownPeers, 1, membership.FormatID(id), membership.FormatID(one.ID))
	}
	o.truth(isLearner, learner)
	for member, raised := range s.Alarms {
		for _, alarm := range raised {
			o.put(alarms, 1, membership.FormatID(member), alarm)
		}
	}
}

// minorOf makes 3.7 of 3.7.0.
func minorOf(version string) string {
	if parts := strings.Split(version, "."); len(parts) > 2 {
		return parts[0] + "." + parts[1]
	}
	return version
}
