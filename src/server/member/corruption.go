package member

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/config"
	"quoin.dev/server/corrupt"
	"quoin.dev/server/membership"
	"quoin.dev/storage/mvcc"
)

// idleCompareInterval is the time between two comparisons of all that the members hold, where nothing is compacted and the
// settings do not say anything else.
const idleCompareInterval = 12 * time.Hour

// trust is whether this member may show what it holds: a context that ends when it may not.
type trust struct {
	mu      sync.Mutex // held while it changes
	current atomic.Pointer[trusted]
}

type trusted struct {
	ctx context.Context
	end context.CancelFunc
}

// set is for who holds mu.
func (t *trust) set(yes bool) {
	switch now := t.current.Load(); {
	case now == nil || yes && now.ctx.Err() != nil:
		next := new(trusted)
		next.ctx, next.end = context.WithCancel(context.Background())
		if !yes {
			next.end()
		}
		t.current.Store(next)
	case !yes:
		now.end()
	}
}

// Trusted returns ErrDiffers when this member holds something else than the others, and must not show it to clients.
func (m *Member) Trusted() error {
	if m.trust.current.Load().ctx.Err() != nil {
		return ErrDiffers
	}
	return nil
}

// WhileTrusted returns a context that ends with ctx, or with ErrDiffers as its cause.
func (m *Member) WhileTrusted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.trust.current.Load().ctx, func() { cancel(ErrDiffers) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Read is View for what is shown to clients. Errors beside those of View: ErrDiffers, also when that comes to light meanwhile.
func (m *Member) Read(f func(*apply.State) error) error {
	if err := m.Trusted(); err != nil {
		return err
	}
	if err := m.View(f); err != nil {
		return err
	}
	return m.Trusted()
}

// differs takes this member out of service, or back in.
func (m *Member) differs(yes bool) {
	m.trust.mu.Lock()
	defer m.trust.mu.Unlock()
	m.trust.set(!yes) // first of all
	m.unwell(ErrDiffers, yes)
}

// followAlarm is called by the applier with each alarm that the log raises or clears. One that names this member as corrupt
// takes it out of service, whoever found out; the operator who clears it takes it back.
func (m *Member) followAlarm(r *pb.AlarmRequest) {
	if r.MemberID == m.id && r.Alarm == pb.AlarmType_CORRUPT && r.Action != pb.AlarmRequest_GET {
		m.differs(r.Action == pb.AlarmRequest_ACTIVATE)
	}
}

// newChecker connects this member with what compares it.
func (m *Member) newChecker() *corrupt.Checker {
	o := corrupt.Options{Patience: m.cfg.RequestTimeout(), FullInterval: m.cfg.Storage.CorruptCheckTime}
	if m.cfg.Features.Enabled(config.FeatureCompactHashCheck) {
		o.CompactionInterval = m.cfg.Storage.CompactHashCheckTime
	}
	if !m.cfg.Explicit("corrupt-check-time") && o.FullInterval == 0 {
		o.FullInterval, o.FullWhenIdle = idleCompareInterval, true
	}
	return corrupt.New(corrupt.Host{
		ID:          m.id,
		Others:      m.otherIDs,
		Revision:    m.Revision,
		Hash:        m.HashKV,
		Compactions: m.compactionHashes,
		Ask:         m.askHash,
		ReadIndex:   m.ReadIndex,
		Leads:       func() bool { return m.node.Leader() == m.id },
		Differs:     func() { m.differs(true) },
		Alarm: func(ctx context.Context, member uint64) error {
			return m.raise(ctx, member, pb.AlarmType_CORRUPT)
		},
		Logger: m.logger,
	}, o)
}

// keepCompared compares this member with the others until it stops.
func (m *Member) keepCompared() {
	ctx, cancel := m.untilStop()
	defer cancel()
	m.checker.Run(ctx)
}

// CompareFirst compares a member that comes back with the others, before it is asked anything. Error: ErrDiffers; then it
// must not serve.
func (m *Member) CompareFirst(ctx context.Context) error {
	if !m.returns || !m.cfg.Features.Enabled(config.FeatureInitialCorruptCheck) {
		return nil
	}
	err := m.checker.Initial(ctx)
	if err != nil {
		err = fmt.Errorf("member: %w: its database %s is damaged; %s", err, m.dbPath(), nextStep[pb.AlarmType_CORRUPT])
	}
	return err
}

func (m *Member) otherIDs() (ids []uint64) {
	for _, member := range m.Members() {
		if member.ID != m.id {
			ids = append(ids, member.ID)
		}
	}
	return ids
}

func (m *Member) compactionHashes() (list []mvcc.HashKV) {
	_ = m.View(func(s *apply.State) error { // one that has stopped has none
		list = s.KV.CompactionHashes()
		return nil
	})
	return list
}

// hashReply is the body of the answer to GET /members/hashkv.
type hashReply struct {
	Header struct {
		Revision int64 `json:"revision"`
	} `json:"header"`
	Hash            uint32 `json:"hash"`
	CompactRevision int64  `json:"compact_revision"`
	HashRevision    int64  `json:"hash_revision"`
}

// askHash asks another member for the hash of its keys at a revision, at one peer URL after the other.
func (m *Member) askHash(ctx context.Context, member uint64, revision int64) (h mvcc.HashKV, err error) {
	err = fmt.Errorf("member: %x has no peer URL", member)
	for _, url := range m.peerURLs(member) {
		if h, err = m.askHashAt(ctx, url, revision); err == nil {
			break
		}
	}
	return h, err
}

func (m *Member) askHashAt(ctx context.Context, url string, revision int64) (h mvcc.HashKV, err error) {
	body := fmt.Appendf(nil, `{"revision":%d}`, revision)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/members/hashkv", bytes.NewReader(body))
	if err != nil {
		return h, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(membership.ClusterIDHeader, membership.FormatID(m.clusterID))
	response, err := m.peerClient.Do(request)
	if err != nil {
		return h, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, hashRequestMaxBytes))
	if err != nil {
		return h, err
	}
	if response.StatusCode != http.StatusOK {
		return h, fmt.Errorf("member: %s answers %s: %s", url, response.Status, bytes.TrimSpace(body))
	}
	var reply hashReply
	if err := json.Unmarshal(body, &reply); err != nil {
		return h, fmt.Errorf("member: the hash from %s does not decode: %w", url, err)
	}
	return mvcc.HashKV{Hash: reply.Hash, CompactRevision: reply.CompactRevision, HashRevision: reply.HashRevision, Revision: reply.Header.Revision}, nil
}
