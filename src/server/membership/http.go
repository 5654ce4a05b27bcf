package membership

import (
	"encoding/json"
	"net/http"
)

// ClusterIDHeader carries the cluster id in requests and replies between members.
const ClusterIDHeader = "X-Etcd-Cluster-ID"

// Handler serves GET /members on the peer port: the list with which a new member finds its cluster.
func Handler(c *Cluster, clusterID uint64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		if r.URL.Path != "/members" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set(ClusterIDHeader, FormatID(clusterID))
		w.Header().Set("Content-Type", "application/json")
		members := c.Members()
		if members == nil {
			members = []Member{}
		}
		json.NewEncoder(w).Encode(members) //nolint:errcheck // the client has gone
	})
}
