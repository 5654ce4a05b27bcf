package metrics_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/pkg/tlsfiles/certtest"

	"quoin.dev/server/config"
	"quoin.dev/server/embed"
	"quoin.dev/server/membership"
)

// Every number follows what a client does.
func TestOneMember(t *testing.T) {
	w := NewWithT(t)
	s := start(t, settings(t, 1)...)[0]
	c := connect(t, s)
	ctx := t.Context()
	before := scrape(t, s)
	w.Expect(before.of("etcd_server_has_leader")).To(BeEquivalentTo(1))
	w.Expect(before.of("etcd_server_is_leader")).To(BeEquivalentTo(1))
	w.Expect(before.of("etcd_server_is_learner")).To(BeZero())
	w.Expect(before.of("etcd_server_leader_changes_seen_total")).To(BeEquivalentTo(1))
	w.Expect(before.of("etcd_server_id", "server_id", membership.FormatID(s.Member.ID()))).To(BeEquivalentTo(1))
	w.Expect(before.of("etcd_server_feature_enabled")).To(BeNumerically(">=", 4))
	w.Expect(before.of("etcd_debugging_server_alarms")).To(BeEquivalentTo(-1), "no alarm, no series")

	do := func(_ any, err error) {
		t.Helper()
		w.Expect(err).NotTo(HaveOccurred())
	}
	fails := func(_ any, err error) {
		t.Helper()
		w.Expect(err).To(HaveOccurred())
	}
	for i := range 3 {
		do(c.Put(ctx, fmt.Sprint("k", i), "value"))
	}
	do(c.Get(ctx, "k0"))
	do(c.Get(ctx, "k0", client.WithSerializable()))
	fails(c.Get(ctx, "k0", client.WithRev(1000)))
	do(c.Delete(ctx, "k2"))
	do(c.Txn(ctx).Then(client.OpPut("k0", "x"), client.OpGet("k1")).Commit())
	do(c.Txn(ctx).Then(client.OpGet("k1")).Commit())
	do(c.Compact(ctx, 3, client.WithCompactPhysical()))
	do(c.HashKV(ctx, s.ClientAddrs()[0].String(), 0))
	do(c.Defragment(ctx, s.ClientAddrs()[0].String()))
	snapshot, err := c.Snapshot(ctx)
	w.Expect(err).NotTo(HaveOccurred())
	do(io.Copy(io.Discard, snapshot))
	w.Expect(snapshot.Close()).To(Succeed())
	granted, err := c.Grant(ctx, 100)
	w.Expect(err).NotTo(HaveOccurred())
	do(c.KeepAliveOnce(ctx, granted.ID))
	do(c.Revoke(ctx, granted.ID))
	fails(c.Revoke(ctx, granted.ID))

	// What is counted at the end of a request or a stream comes a moment after the answer.
	eventually(t, s, 1, "etcd_disk_backend_snapshot_duration_seconds")
	after := scrape(t, s)
	for _, want := range []struct {
		more   float64
		name   string
		labels []string
	}{
		{4, "etcd_mvcc_put_total", nil},
		{1, "etcd_mvcc_delete_total", nil},
		{5, "etcd_mvcc_range_total", nil}, // three gets, and one in each of two transactions
		{1, "etcd_mvcc_txn_total", nil},
		{3*7 + 3, "etcd_debugging_mvcc_total_put_size_in_bytes", nil},
		{2, "etcd_debugging_mvcc_keys_total", nil},
		{5, "etcd_debugging_mvcc_current_revision", nil},
		{1, "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", nil},
		{1, "etcd_mvcc_hash_rev_duration_seconds", nil},
		{1, "etcd_disk_backend_defrag_duration_seconds", nil},
		{1, "etcd_debugging_lease_granted_total", nil},
		{1, "etcd_debugging_lease_renewed_total", nil},
		{1, "etcd_debugging_lease_revoked_total", nil},
		{1, "etcd_debugging_lease_ttl_total", nil},
		{3, "etcd_server_request_duration_seconds", []string{"type", "Put", "success", "true"}},
		{2, "etcd_server_request_duration_seconds", []string{"type", "Range", "success", "true"}},
		{1, "etcd_server_request_duration_seconds", []string{"type", "Range", "success", "false"}},
		{1, "etcd_server_request_duration_seconds", []string{"type", "ReadonlyTxn", "success", "true"}},
		{2, "etcd_server_request_duration_seconds", []string{"type", "LeaseRevoke", "success", "true"}},
		{3, "etcd_server_apply_duration_seconds", []string{"version", "v3", "op", "Put", "success", "true"}},
		{1, "etcd_server_apply_duration_seconds", []string{"op", "Txn"}},
		{1, "etcd_server_apply_duration_seconds", []string{"op", "LeaseRevoke", "success", "false"}},
		{2, "etcd_server_range_duration_seconds", []string{"success", "true"}},
		{3, "grpc_server_handled_total", []string{"grpc_method", "Put", "grpc_service", "etcdserverpb.KV", "grpc_type", "unary", "grpc_code", "OK"}},
		{1, "grpc_server_handled_total", []string{"grpc_method", "Range", "grpc_code", "OutOfRange"}},
		{1, "grpc_server_handled_total", []string{"grpc_method", "LeaseRevoke", "grpc_code", "NotFound"}},
		{3, "grpc_server_started_total", []string{"grpc_method", "Range", "grpc_service", "etcdserverpb.KV"}},
		{3, "grpc_server_msg_received_total", []string{"grpc_method", "Put"}},
		{2, "grpc_server_msg_sent_total", []string{"grpc_method", "Range", "grpc_service", "etcdserverpb.KV"}},
		{3, "grpc_server_handling_seconds", []string{"grpc_method", "Put"}},
	} {
		was := max(before.of(want.name, want.labels...), 0)
		if after.of(want.name, want.labels...)-was < want.more {
			eventually(t, s, BeNumerically(">=", was+want.more), want.name, want.labels...)
			after = scrape(t, s)
		}
		w.Expect(after.of(want.name, want.labels...)-was).To(Equal(want.more), want.name+fmt.Sprint(want.labels))
	}
	for _, name := range []string{
		"etcd_disk_wal_fsync_duration_seconds", "etcd_disk_wal_write_duration_seconds", "etcd_disk_wal_write_bytes_total",
		"etcd_disk_backend_commit_duration_seconds", "etcd_debugging_disk_backend_commit_write_duration_seconds",
		"etcd_network_client_grpc_received_bytes_total", "etcd_network_client_grpc_sent_bytes_total",
		"etcd_server_proposals_applied_total", "etcd_server_proposals_committed_total",
		"etcd_server_client_requests_total", "promhttp_metric_handler_requests_total",
	} {
		w.Expect(after.of(name)).To(BeNumerically(">", before.of(name)), name)
	}
	w.Expect(after.of("etcd_mvcc_db_total_size_in_bytes")).To(BeNumerically(">=", after.of("etcd_mvcc_db_total_size_in_use_in_bytes")))
	w.Expect(after.of("etcd_debugging_mvcc_db_compaction_last")).To(BeNumerically(">", 1e9))
}

// Whoever asks for the health of a member is counted with the answer.
func TestHealth(t *testing.T) {
	w := NewWithT(t)
	s := start(t, settings(t, 1)...)[0]
	for _, path := range []string{"/health", "/readyz", "/readyz", "/livez"} {
		r, err := http.Get("http://" + s.ClientAddrs()[0].String() + path)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(r.Body.Close()).To(Succeed())
		w.Expect(r.StatusCode).To(Equal(http.StatusOK))
	}
	seen := scrape(t, s)
	w.Expect(seen.of("etcd_server_health_success")).To(BeEquivalentTo(1))
	w.Expect(seen.of("etcd_server_health_failures")).To(BeZero())
	for _, name := range []string{"data_corruption", "linearizable_read", "non_learner", "serializable_read"} {
		w.Expect(seen.of("etcd_server_healthcheck", "type", "readyz", "name", name)).To(BeEquivalentTo(1), name)
		w.Expect(seen.of("etcd_server_healthchecks_total", "type", "readyz", "name", name, "status", "success")).To(BeEquivalentTo(2), name)
	}
	w.Expect(seen.of("etcd_server_healthcheck", "type", "livez", "name", "serializable_read")).To(BeEquivalentTo(1))
}

// Watches come and go, and leave nothing behind.
func TestWatches(t *testing.T) {
	w := NewWithT(t)
	s := start(t, settings(t, 1)...)[0]
	c := connect(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	for range 3 {
		c.Watch(ctx, "k")
	}
	eventually(t, s, 3, "etcd_debugging_mvcc_watcher_total")
	eventually(t, s, 1, "etcd_debugging_mvcc_watch_stream_total")
	_, err := c.Put(t.Context(), "k", "v")
	w.Expect(err).NotTo(HaveOccurred())
	eventually(t, s, 3, "etcd_debugging_mvcc_events_total")
	eventually(t, s, 0, "etcd_debugging_mvcc_pending_events_total")
	eventually(t, s, 0, "quoin_watch_backlog_bytes")
	eventually(t, s, 3, "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds")
	eventually(t, s, 3, "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds")
	eventually(t, s, BeNumerically(">=", 3), "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds")
	cancel()
	eventually(t, s, 0, "etcd_debugging_mvcc_watcher_total")
	eventually(t, s, 0, "etcd_debugging_mvcc_slow_watcher_total")
}

// What is slow is counted, and what is refused.
func TestLimits(t *testing.T) {
	w := NewWithT(t)
	cfgs := settings(t, 1)
	cfgs[0].WarningApplyDuration = 1 // nanosecond
	cfgs[0].Limits.MaxRequestBytes = 1000
	cfgs[0].Storage.QuotaBytes = 256 << 10
	s := start(t, cfgs...)[0]
	c := connect(t, s)
	_, err := c.Put(t.Context(), "k", strings.Repeat("v", 2000))
	w.Expect(err).To(HaveOccurred())
	eventually(t, s, 1, "quoin_requests_refused_total", "reason", "too_large")
	eventually(t, s, BeNumerically(">", 0), "etcd_server_slow_apply_total")
	eventually(t, s, 256<<10, "etcd_server_quota_backend_bytes")
	// Until the alarm is active, the log refuses as well, which is an answer.
	w.Eventually(func() float64 {
		for range 100 {
			if _, err := c.Put(t.Context(), "k", strings.Repeat("v", 900)); err != nil {
				break
			}
		}
		return scrape(t, s).of("quoin_requests_refused_total", "reason", "no_space")
	}, "60s").Should(BeNumerically(">", 0))
	eventually(t, s, 1, "etcd_debugging_server_alarms", "alarm_type", "NOSPACE", "server_id", membership.FormatID(s.Member.ID()))
}

// Three members: who leads, the way between them, and a snapshot for the one that was away.
func TestThreeMembers(t *testing.T) {
	w := NewWithT(t)
	cfgs := settings(t, 3)
	for _, cfg := range cfgs {
		cfg.Raft.SnapshotCount, cfg.Raft.SnapshotCatchupEntries = 20, 5
	}
	servers := start(t, cfgs...)
	leader := func() int {
		for i, s := range servers {
			if scrape(t, s).of("etcd_server_is_leader") == 1 {
				return i
			}
		}
		return -1
	}
	w.Eventually(leader, "30s").Should(BeNumerically(">=", 0))
	at := leader()
	away, other := (at+1)%3, (at+2)%3
	id := func(i int) string { return membership.FormatID(servers[i].Member.ID()) }
	first := scrape(t, servers[at]).of("etcd_server_leader_changes_seen_total")

	eventually(t, servers[at], 3, "etcd_network_known_peers", "Local", id(at))
	eventually(t, servers[at], 2, "etcd_network_active_peers", "Local", id(at))
	eventually(t, servers[at], BeNumerically(">", 0), "etcd_network_peer_sent_bytes_total", "To", id(away))
	eventually(t, servers[at], BeNumerically(">", 0), "etcd_network_peer_received_bytes_total", "From", id(away))
	eventually(t, servers[at], 0, "quoin_raft_follower_lag_entries", "remote", id(other))
	w.Expect(scrape(t, servers[other]).of("quoin_raft_follower_lag_entries")).To(BeEquivalentTo(-1), "only the leader knows")

	gone := id(away)
	servers[away].Stop()
	c := connect(t, servers[at])
	for i := range 100 {
		_, err := c.Put(t.Context(), "k", fmt.Sprint(i))
		w.Expect(err).NotTo(HaveOccurred())
	}
	eventually(t, servers[at], 0, "etcd_network_active_peers", "Remote", gone)
	eventually(t, servers[at], 1, "etcd_network_disconnected_peers_total", "Remote", gone)
	eventually(t, servers[at], BeNumerically(">=", 100), "quoin_raft_follower_lag_entries", "remote", gone)
	eventually(t, servers[at], BeNumerically(">", 0), "etcd_debugging_snap_save_total_duration_seconds")
	servers[away] = start(t, cfgs[away])[0]
	eventually(t, servers[at], BeNumerically(">", 0), "etcd_network_snapshot_send_success", "To", gone)
	eventually(t, servers[at], 0, "etcd_network_snapshot_send_inflights_total", "To", gone)
	eventually(t, servers[away], BeNumerically(">", 0), "etcd_network_snapshot_receive_success", "From", id(at))
	eventually(t, servers[away], BeNumerically(">", 0), "etcd_snap_db_save_total_duration_seconds")
	eventually(t, servers[at], 0, "quoin_raft_follower_lag_entries", "remote", gone)

	w.Eventually(func() error { return servers[at].Member.MoveLeader(t.Context(), servers[other].Member.ID()) }, "30s").Should(Succeed())
	eventually(t, servers[at], 0, "etcd_server_is_leader")
	eventually(t, servers[at], BeNumerically(">", first), "etcd_server_leader_changes_seen_total")
	eventually(t, servers[other], 1, "etcd_server_is_leader")

	holdAgainstReference(t, scrape(t, servers[at]))
}

// holdAgainstReference compares names, types and buckets with those of etcd; seen are those of a member that was busy.
func holdAgainstReference(t *testing.T, seen shown) {
	t.Helper()
	w := NewWithT(t)
	var list []struct {
		Name, Type string
		Ends       []float64
	}
	data, err := os.ReadFile("testdata/etcd.json")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(json.Unmarshal(data, &list)).To(Succeed())
	for _, want := range list {
		f := seen[want.Name]
		if f == nil && strings.HasPrefix(want.Name, "etcd_") {
			continue // nothing of that has happened; another test has its name
		}
		w.Expect(strings.ToLower(f.GetType().String())).To(Equal(want.Type), want.Name)
		if want.Type != "histogram" {
			continue
		}
		var ends []float64
		for _, b := range f.GetMetric()[0].GetHistogram().GetBucket() {
			ends = append(ends, b.GetUpperBound())
		}
		if n := len(ends) - len(want.Ends); n == 1 {
			ends = ends[:len(want.Ends)] // the last one has no end
		}
		w.Expect(ends).To(Equal(want.Ends), want.Name)
	}
}

// Whoever asks gets what they can read, and nobody gets more than they can bear.
func TestNegotiation(t *testing.T) {
	w := NewWithT(t)
	cfgs := settings(t, 1)
	cfgs[0].Metrics = "basic"
	s := start(t, cfgs...)[0]
	ask := func(header ...string) *http.Response {
		r, err := http.NewRequest(http.MethodGet, "http://"+s.ClientAddrs()[0].String()+"/metrics", nil)
		w.Expect(err).NotTo(HaveOccurred())
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		w.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	zipped := ask("Accept-Encoding", "gzip")
	w.Expect(zipped.Header.Get("Content-Encoding")).To(Equal("gzip"))
	body, err := gzip.NewReader(zipped.Body)
	w.Expect(err).NotTo(HaveOccurred())
	text, err := io.ReadAll(body)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(string(text)).To(ContainSubstring("\netcd_server_health_failures 0\n"))
	w.Expect(string(text)).NotTo(ContainSubstring("grpc_server_handling_seconds"), "latencies are for --metrics=extensive")
	// OpenMetrics would rename counters.
	w.Expect(ask("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5").Header.Get("Content-Type")).To(HavePrefix("text/plain; version=0.0.4"))
	w.Expect(ask("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited").Header.Get("Content-Type")).
		To(HavePrefix("application/vnd.google.protobuf"))
}

// Members that share a process share no numbers.
func TestTwoClustersInOneProcess(t *testing.T) {
	w := NewWithT(t)
	a, b := start(t, settings(t, 1)...)[0], start(t, settings(t, 1)...)[0]
	_, err := connect(t, a).Put(t.Context(), "k", "v")
	w.Expect(err).NotTo(HaveOccurred())
	for server, puts := range map[*embed.Server]float64{a: 1, b: 0} {
		w.Expect(scrape(t, server).of("etcd_mvcc_put_total")).To(Equal(puts))
	}
}

func TestEndsOfCertificates(t *testing.T) {
	ca := certtest.New(t, "ca")
	leaf := ca.Issue("server")
	cfg := settings(t, 1)
	cfg[0].Security.ClientTLS = config.TLSFiles{CertFile: leaf.Cert, KeyFile: leaf.Key, TrustedCAFile: ca.CA()}
	s := start(t, cfg...)[0]
	const name = "quoin_tls_expiry_timestamp_seconds"
	eventually(t, s, float64(leaf.NotAfter.Unix()), name, "use", "client", "kind", "certificate", "file", leaf.Cert, "subject", "CN=server")
	eventually(t, s, float64(ca.Cert.NotAfter.Unix()), name, "use", "client", "kind", "authority", "subject", "CN=ca")
	leaf = ca.Issue("server", certtest.Valid(time.Now(), time.Now().AddDate(0, 0, 7)))
	eventually(t, s, float64(leaf.NotAfter.Unix()), name, "file", leaf.Cert)
}
