package embed

import (
	"encoding/json"
	"expvar"
	"fmt"
	"net/http"
	"syscall"
)

// serveVars answers GET /debug/vars with what the process has published, and with what is known of this member; a process may hold
// many.
func (s *Server) serveVars(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	vars := map[string]json.RawMessage{}
	expvar.Do(func(kv expvar.KeyValue) { vars[kv.Key] = json.RawMessage(kv.Value.String()) })
	if status, err := json.Marshal(s.Member.RaftStatus()); err == nil {
		vars["raft.status"] = status
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		vars["file_descriptor_limit"] = json.RawMessage(fmt.Sprint(limit.Cur))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	_ = encoder.Encode(vars)
}
