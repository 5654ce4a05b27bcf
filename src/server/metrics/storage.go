package metrics

import "quoin.dev/server/member"

var (
	storageFamilies catalog

	walFsync   = storageFamilies.histogram("etcd_disk_wal_fsync_duration_seconds", "How long it took to make the log durable. Requests wait for this.")
	walWrite   = storageFamilies.histogram("etcd_disk_wal_write_duration_seconds", "How long it took to hand entries of the log to the system.")
	walWritten = storageFamilies.gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log.")

	commitTook = storageFamilies.histogram("etcd_disk_backend_commit_duration_seconds",
		"How long it took to bring applied changes into the database, in the background: requests do not wait for this.")
	commitRebalance = storageFamilies.histogram("etcd_debugging_disk_backend_commit_rebalance_duration_seconds", "Of that, for joining pages.")
	commitSpill     = storageFamilies.histogram("etcd_debugging_disk_backend_commit_spill_duration_seconds", "Of that, for making new pages.")
	commitWrite     = storageFamilies.histogram("etcd_debugging_disk_backend_commit_write_duration_seconds", "Of that, for writing them.")
	defragmentTook  = storageFamilies.histogram("etcd_disk_backend_defrag_duration_seconds", "How long defragmentations took, beside reads and writes.")
	defragmenting   = storageFamilies.gauge("etcd_disk_defrag_inflight", "1 while the database is being defragmented.")
	snapshotTook    = storageFamilies.histogram("etcd_disk_backend_snapshot_duration_seconds", "How long copies of the database were open, until their receivers had them.")

	snapSave   = storageFamilies.histogram("etcd_debugging_snap_save_total_duration_seconds", "How long it took to save a raft snapshot, without the database.")
	snapEncode = storageFamilies.histogram("etcd_debugging_snap_save_marshalling_duration_seconds", "Of that, for encoding it.")
	snapFsync  = storageFamilies.histogram("etcd_snap_fsync_duration_seconds", "Of that, from its last byte until file and name were durable.")
	snapDBSave = storageFamilies.histogram("etcd_snap_db_save_total_duration_seconds", "How long it took to receive the database of a snapshot.")
	snapDBSync = storageFamilies.histogram("etcd_snap_db_fsync_duration_seconds", "Of that, from its last byte until file and name were durable.")

	dbSize      = storageFamilies.gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the database, its free pages included.")
	dbSizeInUse = storageFamilies.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Size of the database without its free pages.")
	openReads   = storageFamilies.gauge("etcd_mvcc_db_open_read_transactions", "Views of the database that are open; those who read at present share one.")

	ranges      = storageFamilies.counter("etcd_mvcc_range_total", "Ranges that were read, those inside of transactions as well.")
	puts        = storageFamilies.counter("etcd_mvcc_put_total", "Puts, those inside of transactions as well.")
	deletes     = storageFamilies.counter("etcd_mvcc_delete_total", "Deletions, those inside of transactions as well.")
	txns        = storageFamilies.counter("etcd_mvcc_txn_total", "Transactions of more than one operation.")
	putBytes    = storageFamilies.gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of the keys and values that were put.")
	hashTook    = storageFamilies.histogram("etcd_mvcc_hash_duration_seconds", "How long it took to hash the whole database.")
	hashRevTook = storageFamilies.histogram("etcd_mvcc_hash_rev_duration_seconds", "How long it took to hash the keys up to a revision.")

	keys            = storageFamilies.gauge("etcd_debugging_mvcc_keys_total", "Keys.")
	currentRevision = storageFamilies.gauge("etcd_debugging_mvcc_current_revision", "The revision of the last change.")
	compactRevision = storageFamilies.gauge("etcd_debugging_mvcc_compact_revision", "The revision of the last compaction, -1 if there was none.")
	compactedRows   = storageFamilies.counter("etcd_debugging_mvcc_db_compaction_keys_total", "Revisions of keys that compactions removed.")
	lastCompaction  = storageFamilies.gauge("etcd_debugging_mvcc_db_compaction_last", "When the last compaction ended, in seconds since 1970; 0 if none has in this process.")
	compactionTook  = storageFamilies.histogram("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", "How long compactions took, beside reads and writes.")
	compactionRows  = storageFamilies.histogram("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds", "How long it took to hand one batch of a compaction to the database.")
	compactionIndex = storageFamilies.histogram("etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds", "How long one step of a compaction held the index, which reads and writes wait for.")

	leasesGranted = storageFamilies.counter("etcd_debugging_lease_granted_total", "Leases that were granted.")
	leasesRenewed = storageFamilies.counter("etcd_debugging_lease_renewed_total", "Renewals of leases by this member, as the leader.")
	leasesRevoked = storageFamilies.counter("etcd_debugging_lease_revoked_total", "Leases that ended, in whatever way.")
	leasesExpired = storageFamilies.counter("etcd_debugging_server_lease_expired_total", "Leases that this member, as the leader, ended since their time was over.")
	leaseTTL      = storageFamilies.histogram("etcd_debugging_lease_ttl_total", "The time to live of leases, in seconds, when they were granted.")

	events         = storageFamilies.counter("etcd_debugging_mvcc_events_total", "Events that were sent to watchers.")
	pendingEvents  = storageFamilies.gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait until clients take them.")
	slowWatchers   = storageFamilies.gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that are behind, and catch up.")
	watchers       = storageFamilies.gauge("etcd_debugging_mvcc_watcher_total", "Watchers.")
	watcherStreams = storageFamilies.gauge("etcd_debugging_mvcc_watch_stream_total", "Streams of watchers.")
)

// storage is what the packages below quoin.dev/storage have counted, and the leases beside them.
func (o out) storage(m *member.Meter) {
	o.spread(walFsync, m.WAL.Fsync)
	o.spread(walWrite, m.WAL.Write)
	o.count(walWritten, m.WAL.WrittenBytes.Load())
	o.spread(commitTook, m.Backend.Commit)
	o.spread(commitRebalance, m.Backend.Rebalance)
	o.spread(commitSpill, m.Backend.Spill)
	o.spread(commitWrite, m.Backend.Write)
	o.spread(defragmentTook, m.Backend.Defragment)
	o.spread(snapshotTook, m.Backend.Snapshot)
	o.spread(hashTook, m.Backend.Hash)
	o.spread(snapSave, m.Snap.Save)
	o.spread(snapEncode, m.Snap.Encode)
	o.spread(snapFsync, m.Snap.Fsync)
	o.spread(snapDBSave, m.Snap.SaveDB)
	o.spread(snapDBSync, m.Snap.SyncDB)

	o.count(ranges, m.KV.Ranges.Load())
	o.count(puts, m.KV.Puts.Load())
	o.count(deletes, m.KV.Deletes.Load())
	o.count(txns, m.KV.Txns.Load())
	o.count(putBytes, m.KV.PutBytes.Load())
	o.spread(hashRevTook, m.KV.HashKV)
	o.count(compactedRows, m.KV.CompactedRows.Load())
	o.put(lastCompaction, float64(m.KV.LastCompaction.Load()))
	o.spread(compactionTook, m.KV.Compaction)
	o.spread(compactionRows, m.KV.RowsPause)
	o.spread(compactionIndex, m.KV.IndexPause)

	o.count(leasesGranted, m.Leases.Granted.Load())
	o.count(leasesRenewed, m.Leases.Renewed.Load())
	o.count(leasesRevoked, m.Leases.Revoked.Load())
	o.count(leasesExpired, m.Leases.Expired.Load())
	o.spread(leaseTTL, m.Leases.TTL)
}

// stored is how large the store is.
func (o out) stored(s *member.StateFigures) {
	o.put(dbSize, float64(s.DBSize))
	o.put(dbSizeInUse, float64(s.DBSizeInUse))
	o.put(openReads, float64(s.OpenReads))
	o.truth(defragmenting, s.Defragmenting)
	o.put(keys, float64(s.Keys))
	o.put(currentRevision, float64(s.Revision))
	o.put(compactRevision, float64(s.CompactRevision))
}

func (o out) watches(f *member.Figures, m *member.Meter) {
	o.count(events, m.Watches.Events.Load())
	o.put(pendingEvents, float64(f.Watches.WaitingEvents))
	o.put(slowWatchers, float64(f.Watches.Behind))
	o.put(watchers, float64(f.Watches.Watchers))
	o.put(watcherStreams, float64(f.Watches.Streams))
}
