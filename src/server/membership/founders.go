package membership

import (
	"fmt"

	"quoin.dev/server/clusterurl"
)

// ParseInitialCluster reads the members of a new cluster, with their ids and sorted by them, which is also the order of
// their first log entries. Every founder must put the same bytes there, so contexts are made of these members as they
// are, name included.
func ParseInitialCluster(initialCluster, token string) ([]Member, error) {
	founders, err := clusterurl.ParseFounders(initialCluster)
	if err != nil {
		return nil, err
	}
	if founders.DuplicateURL() {
		return nil, fmt.Errorf("initial cluster %s has duplicate url", founders)
	}
	var members []Member
	for _, name := range founders.Names() {
		urls := founders[name]
		members = append(members, Member{ID: FoundingID(urls, token), Name: name, PeerURLs: urls})
	}
	return sortByID(members), nil
}

// IDs lists the ids of members, in their order.
func IDs(members []Member) []uint64 {
	ids := make([]uint64, len(members))
	for i, m := range members {
		ids[i] = m.ID
	}
	return ids
}
