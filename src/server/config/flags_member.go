package config

import "time"

func registerMember(r *registrar, c *Config) {
	r.section("Member")
	r.str(&c.Name, "name", DefaultName, "Name of this member, unique in the cluster; it finds the member in --initial-cluster.")
	r.str(&c.DataDir, "data-dir", "", `Data directory. Empty: "<name>.etcd" below the working directory.`)
	r.str(&c.WALDir, "wal-dir", "", "Directory of the write-ahead log, to put it on a disk of its own. Empty: inside the data directory.")
	r.urls(&c.ListenPeerURLs, "listen-peer-urls", DefaultListenPeerURL, "URLs to listen on for other members. IP addresses or localhost, not host names.")
	r.urls(&c.ListenClientURLs, "listen-client-urls", DefaultListenClientURL, "URLs to listen on for clients. Needs --advertise-client-urls.")
	r.urls(&c.ListenClientHTTPURLs, "listen-client-http-urls", "", "URLs for HTTP alone, so that --listen-client-urls serves gRPC alone.")
	r.urls(&c.ListenMetricsURLs, "listen-metrics-urls", "", "Further URLs that serve /metrics and /health.")
	c.Raft.HeartbeatInterval = 100 * time.Millisecond
	r.value((*millis)(&c.Raft.HeartbeatInterval), "heartbeat-interval", "Milliseconds between two heartbeats of the leader.")
	c.Raft.ElectionTimeout = time.Second
	r.value((*millis)(&c.Raft.ElectionTimeout), "election-timeout", "Milliseconds without a heartbeat until a follower starts an election. At least 5 heartbeats, at most 50000.")
	r.bool(&c.Raft.InitialElectionTickAdvance, "initial-election-tick-advance", true, "Skip most of the first election timeout after a start, once connected to a quorum.")
	r.uint64(&c.Raft.SnapshotCount, "snapshot-count", 10000, "Applied entries between two snapshots on disk.")
	r.uint64(&c.Raft.SnapshotCatchupEntries, "snapshot-catchup-entries", 5000, "Entries kept in memory behind a snapshot for slow followers.")
	r.uint(&c.Storage.MaxSnapshots, "max-snapshots", 5, "Snapshot files to keep; 0 keeps all. Deprecated.")
	r.uint(&c.Storage.MaxWALs, "max-wals", 5, "WAL files to keep; 0 keeps all.")
	r.int64(&c.Storage.QuotaBytes, "quota-backend-bytes", 0, "Size of the database in bytes above which writes are refused. 0: 2 GiB, negative: no limit.")
	r.uint(&c.Limits.MaxTxnOps, "max-txn-ops", 128, "Operations that one transaction may hold.")
	r.uint(&c.Limits.MaxRequestBytes, "max-request-bytes", DefaultMaxRequestBytes, "Bytes that one request may have.")
	r.uint(&c.Limits.MaxApplyLag, "max-apply-lag", 5000, "Committed entries that may wait to be applied before requests are refused with \"too many requests\". Not in etcd.")
	c.Limits.MaxConcurrentStreams = 1<<32 - 1
	r.value((*uint32Value)(&c.Limits.MaxConcurrentStreams), "max-concurrent-streams", "gRPC streams that one client connection may open at a time.")
	r.duration(&c.GRPC.KeepAliveMinTime, "grpc-keepalive-min-time", 5*time.Second, "Shortest interval at which a client may ping.")
	r.duration(&c.GRPC.KeepAliveInterval, "grpc-keepalive-interval", 2*time.Hour, "Idle time after which the server pings a client. 0: never.")
	r.duration(&c.GRPC.KeepAliveTimeout, "grpc-keepalive-timeout", 20*time.Second, "How long the server waits for the answer to its ping.")
	r.duration(&c.Raft.ReadTimeout, "raft-read-timeout", 5*time.Second, "Read timeout of connections between members; at least 5s.")
	r.duration(&c.Raft.WriteTimeout, "raft-write-timeout", 5*time.Second, "Write timeout of connections between members; at least 5s.")
	r.bool(&c.SocketReusePort, "socket-reuse-port", false, "Set SO_REUSEPORT on listening sockets, so that the next process can listen before this one has ended. Not on Windows.")
	r.bool(&c.SocketReuseAddress, "socket-reuse-address", false, "Set SO_REUSEADDR on listening sockets, so that a port can be used again at once. Go does so except on Windows.")
	r.bool(&c.MemoryMlock, "memory-mlock", false, "Keep the database file in memory, so that it is never swapped out. Needs a limit of locked memory that it fits in; not on Windows.")
	r.str(&c.ConfigFile, "config-file", "", "YAML or JSON file with the settings. All other flags and variables are then ignored.")
}

func registerCluster(r *registrar, c *Config) {
	r.section("Cluster")
	cl := &c.Cluster
	r.urls(&cl.InitialAdvertisePeerURLs, "initial-advertise-peer-urls", DefaultListenPeerURL, "Peer URLs of this member as the others reach it.")
	r.urls(&cl.AdvertiseClientURLs, "advertise-client-urls", DefaultListenClientURL, "Client URLs of this member as clients reach it.")
	r.str(&cl.InitialCluster, "initial-cluster", "default=http://localhost:2380", `Founding members as "name=URL,name=URL". Not given: this member alone.`)
	cl.InitialClusterState = ClusterStateNew
	r.value(choice{&cl.InitialClusterState, []string{ClusterStateNew, ClusterStateExisting}, refuseShort}, "initial-cluster-state", `"new" to found a cluster, "existing" to join one after "member add".`)
	r.str(&cl.InitialClusterToken, "initial-cluster-token", DefaultClusterToken, "Text that keeps clusters with equal URLs apart.")
	r.bool(&cl.StrictReconfigCheck, "strict-reconfig-check", true, "Refuse membership changes that would lose the quorum.")
	r.bool(&c.Raft.PreVote, "pre-vote", true, "Ask for votes before raising the term, so that a returning member does not disturb the leader.")
	r.int(&c.Limits.MaxLearners, "max-learners", 1, "Learners that the cluster may have at a time.")
	r.bool(&cl.AutoPromoteLearners, "auto-promote-learners", false, "Give a learner a vote, while this member leads, once it has caught up and could be promoted. Not in etcd.")
	r.duration(&cl.DowngradeCheckTime, "downgrade-check-time", 5*time.Second, "Interval at which the leader looks whether a downgrade has finished.")
	r.bool(&c.Storage.ForceNewCluster, "force-new-cluster", false, "Start from the data directory as a cluster of one. For disaster recovery only.")

	r.section("Compaction")
	r.str(&c.Compaction.Mode, "auto-compaction-mode", CompactionModePeriodic, `"periodic" keeps a time, "revision" keeps a count of revisions.`)
	r.str(&c.Compaction.retention, "auto-compaction-retention", "0", `How much to keep: "10h", "30m", a number of hours, or a number of revisions. 0: no automatic compaction.`)
	r.int(&c.Compaction.BatchLimit, "compaction-batch-limit", 0, "Revisions that one step of a compaction deletes. 0: 1000.")
	r.duration(&c.Compaction.SleepInterval, "compaction-sleep-interval", 0, "Pause between two steps of a compaction. 0: 10ms.")
}
