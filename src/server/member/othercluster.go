package member

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"quoin.dev/server/membership"
)

// checkClusterTimeout bounds how long a start asks the other members which cluster they are of. Most are known at once;
// one that does not answer says nothing.
const checkClusterTimeout = 2 * time.Second

// checkCluster refuses a data directory whose other members, as many as answer, all belong to another cluster: they would
// refuse every message, and this member would wait for them for ever.
func (m *Member) checkCluster() error {
	ctx, cancel := context.WithTimeout(context.Background(), checkClusterTimeout)
	defer cancel()
	var mu sync.Mutex // guards foreign and own
	foreign, own := map[string]string{}, false
	var asking sync.WaitGroup
	for _, member := range m.state.Members.Members() {
		if member.ID == m.id {
			continue
		}
		asking.Go(func() {
			for _, url := range member.PeerURLs {
				id := m.askCluster(ctx, url)
				if id == "" {
					continue
				}
				mu.Lock()
				defer mu.Unlock()
				if id == membership.FormatID(m.clusterID) {
					own = true
				} else {
					foreign[url] = id
				}
				return
			}
		})
	}
	asking.Wait()
	if own || len(foreign) == 0 {
		return nil
	}
	for url, id := range foreign {
		return fmt.Errorf("member: the data directory %s belongs to cluster %s, but the member at %s belongs to cluster %s: "+
			"give the --data-dir of that cluster, or start the members that go with this one", m.cfg.DataDir, membership.FormatID(m.clusterID), url, id)
	}
	return nil
}

// askCluster returns the cluster id that answers at a peer URL, "" if none does.
func (m *Member) askCluster(ctx context.Context, url string) string {
	response, err := m.getFromPeer(ctx, url, "/members")
	if err != nil {
		return ""
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return ""
	}
	return response.Header.Get(membership.ClusterIDHeader)
}
