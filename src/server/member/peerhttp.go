package member

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"quoin.dev/server/membership"
	"quoin.dev/storage/mvcc"
)

// hashRequestMaxBytes bounds the body of a hash request, which is one small JSON object.
const hashRequestMaxBytes = 64 << 10

// PeerHandler serves what other members ask: raft traffic, the member list, versions and hashes.
func (m *Member) PeerHandler() http.Handler {
	mux := http.NewServeMux()
	raft := m.transport.Handler()
	mux.Handle("/raft", raft)
	mux.Handle("/raft/", raft)
	mux.HandleFunc("/members", func(w http.ResponseWriter, r *http.Request) {
		m.stateMu.RLock()
		members := m.state.Members
		m.stateMu.RUnlock()
		membership.Handler(members, m.clusterID).ServeHTTP(w, r)
	})
	mux.HandleFunc("/members/hashkv", m.serveHashKV)
	mux.HandleFunc(promotePath, m.servePromote)
	mux.HandleFunc("/version", m.ServeVersion)
	mux.HandleFunc("/downgrade/enabled", m.serveDowngradeEnabled)
	m.handleLeases(mux)
	return mux
}

// ServeVersion answers GET /version.
func (m *Member) ServeVersion(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	writeJSON(w, m.Versions())
}

// serveHashKV lets another member compare its keys with ours at one revision.
func (m *Member) serveHashKV(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	if theirs := r.Header.Get(membership.ClusterIDHeader); theirs != "" && theirs != membership.FormatID(m.clusterID) {
		http.Error(w, "cluster ID mismatch", http.StatusPreconditionFailed)
		return
	}
	var request struct {
		Revision int64 `json:"revision"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, hashRequestMaxBytes))
	if err == nil {
		err = json.Unmarshal(body, &request)
	}
	if err != nil {
		http.Error(w, "error unmarshalling request", http.StatusBadRequest)
		return
	}
	h, err := m.HashKV(request.Revision)
	switch {
	case errors.Is(err, ErrStopped):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	case errors.Is(err, mvcc.ErrCompacted), errors.Is(err, mvcc.ErrFutureRevision):
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set(membership.ClusterIDHeader, membership.FormatID(m.clusterID))
	reply := hashReply{Hash: h.Hash, CompactRevision: h.CompactRevision, HashRevision: h.HashRevision}
	reply.Header.Revision = h.Revision
	writeJSON(w, reply)
}

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
