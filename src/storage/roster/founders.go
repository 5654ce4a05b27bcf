package roster

import (
	"fmt"

	"quoin.dev/pkg/clusterurl"
)

// ParseFounders reads the members of a new cluster from --initial-cluster, with their ids and sorted by them, which is
// also the order of their first log entries. Every founder must put the same bytes there, so contexts are made of these
// members as they are, name included.
func ParseFounders(initialCluster, token string) ([]Member, error) {
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
	return Sort(members), nil
}
