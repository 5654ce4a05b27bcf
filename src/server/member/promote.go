package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"go.etcd.io/raft/v3"

	"quoin.dev/server/lease"
	"quoin.dev/server/membership"
)

// ErrLearnerNotReady: the learner has less than readyPercent of the leader's log, or is not connected to it.
var ErrLearnerNotReady = errors.New("etcdserver: can only promote a learner member which is in sync with leader")

const (
	// readyPercent is how much of the leader's log a learner must have before it gets a vote.
	readyPercent = 90

	promotePath = "/members/promote/"
	// promoteAnswerMaxBytes bounds the member list in the answer to a promotion.
	promoteAnswerMaxBytes = 4 << 20
)

// PromoteMember gives a learner a vote and returns all members. The leader knows how far the learner is, so another
// member asks it. Errors: ErrLearnerNotReady, ErrNotEnoughStarted, those of membership, and those of a request.
func (m *Member) PromoteMember(ctx context.Context, id uint64) (members []membership.Member, err error) {
	err = m.atLeader(ctx, func(ctx context.Context) error {
		members, err = m.promoteHere(ctx, id)
		return err
	}, func(ctx context.Context, peerURL string) error {
		members, err = m.promoteThere(ctx, peerURL, id)
		return err
	})
	return members, err
}

// promoteHere promotes where this member leads, once it has applied what was acknowledged before: the learner may have been
// added through another member.
func (m *Member) promoteHere(ctx context.Context, id uint64) (members []membership.Member, err error) {
	defer func() { m.meter.promoted(err) }()
	if m.node.Leader() != m.id {
		return nil, ErrNotLeader
	}
	if err := m.ReadIndex(ctx); err != nil {
		return nil, err
	}
	if err := m.mayPromote(id); err != nil {
		return nil, err
	}
	return m.changeMembers(ctx, membership.PromoteChange(id))
}

// mayPromote tells why a learner can not be promoted now. That one which was never started, or is away, does not become a
// voter holds without --strict-reconfig-check, too (etcd#15096).
func (m *Member) mayPromote(id uint64) error {
	status := m.node.Status()
	if status.RaftState != raft.StateLeader {
		return ErrNotLeader
	}
	progress, known := status.Progress[id]
	switch {
	case !known:
		return membership.ErrIDNotFound
	case !progress.IsLearner:
		return membership.ErrNotLearner
	case progress.Match*100 < status.Progress[m.id].Match*readyPercent, m.transport.ActiveSince(id).IsZero():
		return ErrLearnerNotReady
	case m.cfg.Cluster.StrictReconfigCheck && !m.cluster().MayPromote(id):
		return ErrNotEnoughStarted
	}
	return nil
}

// answersPromotion are the refusals that asking again does not change.
var answersPromotion = []error{membership.ErrIDNotFound, membership.ErrIDRemoved, membership.ErrNotLearner, ErrLearnerNotReady, ErrNotEnoughStarted}

// isAnswer reports whether the leader has decided about a request, so that it is of no use to ask again.
func isAnswer(err error) bool {
	if err == nil || errors.Is(err, lease.ErrNotFound) || errors.Is(err, ErrStopped) {
		return true
	}
	for _, a := range answersPromotion {
		if errors.Is(err, a) {
			return true
		}
	}
	return false
}

// promoteThere asks the leader to promote.
func (m *Member) promoteThere(ctx context.Context, peerURL string, id uint64) ([]membership.Member, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, peerURL+promotePath+decimal(id), nil)
	if err != nil {
		return nil, err
	}
	response, err := m.peerClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, promoteAnswerMaxBytes))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, promotionRefusal(response.StatusCode, string(body))
	}
	var members []membership.Member
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("member: the member list of %s does not decode: %w", peerURL, err)
	}
	return members, nil
}

// promotionRefusal reads the refusal of another member, which tells reasons by their texts.
func promotionRefusal(code int, text string) error {
	switch code {
	case http.StatusNotFound:
		return membership.ErrIDNotFound
	case http.StatusPreconditionFailed:
		for _, reason := range []error{membership.ErrNotLearner, ErrLearnerNotReady} {
			if strings.Contains(text, reason.Error()) {
				return reason
			}
		}
	}
	return fmt.Errorf("member: the leader answered %d: %s", code, strings.TrimSpace(text))
}

// servePromote promotes for another member, if this one leads.
func (m *Member) servePromote(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set(membership.ClusterIDHeader, membership.FormatID(m.clusterID))
	text := strings.TrimPrefix(r.URL.Path, promotePath)
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		http.Error(w, fmt.Sprintf("member %s not found in cluster", text), http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), m.cfg.RequestTimeout())
	defer cancel()
	members, err := m.promoteHere(ctx, id)
	switch {
	case err == nil:
		writeJSON(w, members)
	case errors.Is(err, membership.ErrIDNotFound), errors.Is(err, membership.ErrIDRemoved):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, membership.ErrNotLearner), errors.Is(err, ErrLearnerNotReady):
		http.Error(w, err.Error(), http.StatusPreconditionFailed)
	default:
		http.Error(w, `{"message":"Internal Server Error"}`, http.StatusInternalServerError)
	}
}

// decimal is how an id stands in the path of a promotion, unlike everywhere else.
func decimal(id uint64) string { return strconv.FormatUint(id, 10) }
