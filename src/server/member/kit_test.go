package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/config"
	"quoin.dev/server/membership"
	"quoin.dev/storage/mvcc"
)

// settings are those of a member in a new directory, with the given advertised peer URL. A busy machine that holds up a heartbeat
// for a while must not make the members elect; a cluster that starts elects without waiting for that.
func settings(t testing.TB, name, peerURL string) *config.Config {
	t.Helper()
	u, err := url.Parse(peerURL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Name, cfg.DataDir = name, t.TempDir()
	cfg.Cluster.InitialAdvertisePeerURLs = []url.URL{*u}
	cfg.Cluster.InitialCluster = name + "=" + peerURL
	cfg.Raft.HeartbeatInterval, cfg.Raft.ElectionTimeout = 50*time.Millisecond, 2*time.Second
	return cfg
}

// alone are the settings of a cluster of one, whose peer URL nobody calls.
func alone(t testing.TB) *config.Config { return settings(t, "m0", "http://127.0.0.1:1") }

// begin starts a member that the test has to stop, or the end of the test does.
func begin(t testing.TB, cfg *config.Config) *Member {
	t.Helper()
	m, err := Start(Options{Config: cfg, Logger: zap.NewNop(), Fatal: func(err error) { t.Errorf("the member gave up: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return m
}

// beginReady is begin, and waits until the member serves.
func beginReady(t testing.TB, cfg *config.Config) *Member {
	t.Helper()
	m := begin(t, cfg)
	NewWithT(t).Eventually(m.Ready(), "30s").Should(BeClosed())
	return m
}

// refused starts a member that must not start, and returns why.
func refused(t testing.TB, cfg *config.Config) error {
	t.Helper()
	m, err := Start(Options{Config: cfg, Logger: zap.NewNop(), Fatal: func(error) {}})
	if err == nil {
		m.Stop()
		t.Fatal("the member started")
	}
	return err
}

// put goes through the log of m, once more when it was sent to a leader that leads no more.
func (m *Member) put(t testing.TB, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := ErrTimeoutLeaderFail
	for errors.Is(err, ErrTimeoutLeaderFail) && ctx.Err() == nil {
		_, err = m.Propose(ctx, &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}})
	}
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

// tryPut returns the revision of a put, 0 if it has not got through after timeout, or is lost.
func (m *Member) tryPut(t testing.TB, key string, timeout time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	result, err := m.Propose(ctx, &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte(key)}})
	for _, late := range []error{context.DeadlineExceeded, ErrTimeout, ErrTimeoutLeaderFail, ErrTimeoutConnectionLost} {
		if errors.Is(err, late) {
			return 0
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return result.Response.(*pb.PutResponse).Header.Revision
}

// get reads what m holds by itself, "" if nothing.
func (m *Member) get(t testing.TB, key string) (value string) {
	t.Helper()
	err := m.View(func(s *apply.State) error {
		_, err := s.KV.Range(context.Background(), []byte(key), nil, mvcc.RangeOptions{}, func(kv []byte) error {
			value = string(mvcc.Value(kv))
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// hash is the checksum of all keys and the revision it was taken at.
func (m *Member) hash(t testing.TB) mvcc.HashKV {
	t.Helper()
	var h mvcc.HashKV
	if err := m.View(func(s *apply.State) (err error) {
		h, err = s.KV.HashKV(0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

// trio is three members in this process that reach each other over loopback.
type trio struct {
	cfgs     [3]*config.Config
	members  [3]*Member
	handlers [3]atomic.Pointer[http.Handler]
	servers  [3]*httptest.Server
	isolated atomic.Pointer[Member] // hears of nobody, and is not heard
}

// newTrio prepares three members; adapt may change their settings.
func newTrio(t testing.TB, adapt func(*config.Config)) *trio {
	t.Helper()
	c := new(trio)
	var urls, initial []string
	for i := range c.handlers {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler, isolated := c.handlers[i].Load(), c.isolated.Load()
			cut := isolated != nil && (isolated == c.members[i] || r.Header.Get("X-Server-From") == membership.FormatID(isolated.id))
			if handler == nil || cut {
				http.Error(w, "not there", http.StatusServiceUnavailable)
				return
			}
			(*handler).ServeHTTP(w, r)
		}))
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
		})
		c.servers[i] = server
		urls = append(urls, server.URL)
		initial = append(initial, fmt.Sprintf("m%d=%s", i, server.URL))
	}
	for i := range c.cfgs {
		c.cfgs[i] = settings(t, fmt.Sprint("m", i), urls[i])
		c.cfgs[i].Cluster.InitialCluster = strings.Join(initial, ",")
		if adapt != nil {
			adapt(c.cfgs[i])
		}
	}
	return c
}

func (c *trio) start(t testing.TB, ids ...int) {
	t.Helper()
	for _, i := range ids {
		c.members[i] = begin(t, c.cfgs[i])
		handler := c.members[i].PeerHandler()
		c.handlers[i].Store(&handler)
	}
	for _, i := range ids {
		NewWithT(t).Eventually(c.members[i].Ready(), "30s").Should(BeClosed())
	}
}

func (c *trio) stop(i int) {
	c.members[i].Stop()
	c.handlers[i].Store(nil)
}

// isolate cuts a member off while it runs, until heal.
func (c *trio) isolate(i int) {
	c.isolated.Store(c.members[i])
	for _, s := range c.servers {
		s.CloseClientConnections()
	}
}

func (c *trio) heal() { c.isolated.Store(nil) }

// leader is the place of the member that all running members see leading, -1 if they do not agree.
func (c *trio) leader() int {
	leads, known := -1, uint64(0)
	for i, m := range c.members {
		if c.handlers[i].Load() == nil {
			continue
		}
		leader := m.node.Leader()
		if leader == 0 || known != 0 && leader != known {
			return -1
		}
		if known = leader; leader == m.id {
			leads = i
		}
	}
	return leads
}

// awaitLeader waits until the running members agree on a leader, and returns its place.
func (c *trio) awaitLeader(t testing.TB) (leads int) {
	t.Helper()
	NewWithT(t).Eventually(func() int { leads = c.leader(); return leads }, "30s").ShouldNot(Equal(-1))
	return leads
}

// farAway is a deadline that no test reaches.
func farAway() time.Time { return time.Now().Add(time.Hour) }

// identity is the metadata of a write-ahead log.
func identity(member, cluster uint64) []byte {
	data, err := (&pb.Metadata{NodeID: new(member), ClusterID: new(cluster)}).MarshalVT()
	if err != nil {
		panic(err)
	}
	return data
}

func bodyOf(text string) io.Reader { return strings.NewReader(text) }

func hashJSON(h mvcc.HashKV) string {
	return fmt.Sprintf(`{"header":{"revision":%d},"hash":%d,"compact_revision":%d,"hash_revision":%d}`, h.Revision, h.Hash, h.CompactRevision, h.HashRevision)
}
