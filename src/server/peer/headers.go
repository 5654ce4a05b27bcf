package peer

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-semver/semver"
)

// Paths of the protocol.
const (
	pathRaft     = "/raft"
	pathStream   = "/raft/stream"
	pathSnapshot = "/raft/snapshot"
	pathProbing  = "/raft/probing"
)

// Headers of the protocol.
const (
	headerFrom       = "X-Server-From"
	headerVersion    = "X-Server-Version"
	headerMinVersion = "X-Min-Cluster-Version"
	headerCluster    = "X-Etcd-Cluster-ID"
	headerPeerURLs   = "X-PeerURLs"
	headerTo         = "X-Raft-To"
	// headerSoftware is HTTP's own, on answers to requests for a stream. etcd does not send it.
	headerSoftware = "Server"
)

// Errors that both ends know by their text.
var (
	errIncompatibleVersion = errors.New("incompatible version")
	errClusterMismatch     = errors.New("cluster ID mismatch")
	errRemoved             = errors.New("removed member")
)

// oldVersion is what a member without version headers counts as.
var oldVersion = semver.Version{Major: 2}

// streamVersions are the releases older than ours whose streams are understood. Members refuse older ones at the version
// check already; the list keeps a stray peer that skips that check from being read.
var streamVersions = []string{"2.1", "2.2", "2.3", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7"}

// formatID writes an id as it appears in URLs and headers; parseID reads it back.
func formatID(id uint64) string { return strconv.FormatUint(id, 16) }

func parseID(s string) (uint64, error) { return strconv.ParseUint(s, 16, 64) }

// identity is what the local member says of itself and expects of others.
type identity struct {
	local, cluster uint64
	version, min   semver.Version
	peerURLs       string
}

// newIdentity panics when the versions are not versions: they are constants of the program.
func newIdentity(c Config) identity {
	parse := func(name, s string) semver.Version {
		v, err := semver.NewVersion(s)
		if err != nil {
			panic(fmt.Sprintf("peer: Config.%s must be a version like 3.7.3, found %q", name, s))
		}
		return *v
	}
	return identity{
		local: c.LocalID, cluster: c.ClusterID,
		version: parse("Version", c.Version), min: parse("MinVersion", c.MinVersion),
		peerURLs: strings.Join(c.PeerURLs, ","),
	}
}

// sign sets the headers that every raft request carries.
func (id *identity) sign(h http.Header) {
	h.Set(headerFrom, formatID(id.local))
	h.Set(headerVersion, id.version.String())
	h.Set(headerMinVersion, id.min.String())
	h.Set(headerCluster, formatID(id.cluster))
	h.Set(headerPeerURLs, id.peerURLs)
}

// check judges the headers of a request: first the versions, then the cluster.
func (id *identity) check(h http.Header) error {
	remote, err := versionHeader(h, headerVersion)
	if err != nil || compareMinor(remote, id.min) < 0 {
		return errIncompatibleVersion
	}
	remoteMin, err := versionHeader(h, headerMinVersion)
	if err != nil || compareMinor(remoteMin, id.version) > 0 {
		return errIncompatibleVersion
	}
	if h.Get(headerCluster) != formatID(id.cluster) {
		return errClusterMismatch
	}
	return nil
}

// canRead says whether the streams of a member which answers with these headers are understood.
func (id *identity) canRead(h http.Header) bool {
	remote, err := versionHeader(h, headerVersion)
	if err != nil {
		return false
	}
	return compareMinor(remote, id.version) >= 0 ||
		slices.Contains(streamVersions, fmt.Sprintf("%d.%d", remote.Major, remote.Minor))
}

func versionHeader(h http.Header, name string) (semver.Version, error) {
	s := h.Get(name)
	if s == "" {
		return oldVersion, nil
	}
	v, err := semver.NewVersion(s)
	if err != nil {
		return semver.Version{}, err
	}
	return *v, nil
}

// compareMinor compares major and minor numbers; patches never matter on the wire.
func compareMinor(a, b semver.Version) int {
	return cmp.Or(cmp.Compare(a.Major, b.Major), cmp.Compare(a.Minor, b.Minor))
}
