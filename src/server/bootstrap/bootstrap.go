// Package bootstrap finds out who a member without data is: a founder of a new cluster, or a member that was added to
// a running one.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"quoin.dev/pkg/clusterurl"
	"quoin.dev/server/membership"
)

// Bounds of the questions to other members.
const (
	requestTimeout = 10 * time.Second
	resolveTimeout = 30 * time.Second
	meetTimeout    = 2 * time.Second // for members that answer to hear of the addition of this one
	meetPause      = 100 * time.Millisecond
	maxBodyBytes   = 4 << 20 // thousands of members; real answers have a few hundred bytes
)

// Errors that a caller may want to tell apart.
var (
	// ErrNoAnswer: none of the other members gave its member list.
	ErrNoAnswer = errors.New("could not retrieve cluster information from the given URLs")
	// ErrOtherCluster: those with whom this member is to found a cluster have founded another one.
	ErrOtherCluster = errors.New("the members to found a cluster with belong to another one")
	// ErrIncompatible: the running cluster speaks a version that this member does not, or told none.
	ErrIncompatible = errors.New("incompatible with current running cluster")
)

// AlreadyBootstrappedError is a member whose id the running cluster knows as one that has served before. Its data is
// gone, and starting with none under the same id could undo what it had promised.
type AlreadyBootstrappedError struct{ ID uint64 }

func (e *AlreadyBootstrappedError) Error() string {
	return fmt.Sprintf("member %s has already been bootstrapped; if its data is lost, remove it from the cluster and add it again, then start it with --initial-cluster-state=existing",
		membership.FormatID(e.ID))
}

// Options are the flags that matter for a member without data, and the ways to ask others.
type Options struct {
	Name              string
	InitialCluster    string
	Token             string
	AdvertisePeerURLs []string
	MaxLearners       int
	Version           string // of this member's contract, "3.7.3"
	MinClusterVersion string // oldest cluster version that it can join

	Client *http.Client
	// LookupHost resolves a host name to addresses, as net.Resolver.LookupHost does.
	LookupHost func(ctx context.Context, host string) ([]string, error)
	// Log receives what went wrong with single members while others may still answer; nil drops it.
	Log func(message string, member string, err error)
	// RetryPause is the time between two attempts to resolve a name; 0 is one second.
	RetryPause time.Duration
}

// Identity is who the member is and whom it will meet.
type Identity struct {
	MemberID  uint64
	ClusterID uint64
	Members   []membership.Member // by id, this one included
}

// Found makes this member a founder of a new cluster. Every founder computes the same identity from the same flags.
// It refuses when a running member answers that this one has served before, and when all that answer are of another cluster.
func Found(ctx context.Context, o Options) (Identity, error) {
	founders, err := o.founders(ctx)
	if err != nil {
		return Identity{}, err
	}
	members, err := membership.ParseInitialCluster(o.InitialCluster, o.Token)
	if err != nil {
		return Identity{}, err
	}
	own := members[slices.IndexFunc(members, func(m membership.Member) bool { return m.Name == o.Name })]
	found := Identity{MemberID: own.ID, ClusterID: membership.ClusterID(membership.IDs(members)), Members: members}
	if _, err = o.fetchMembers(ctx, others(founders, o.Name), found.fits); err != nil && !errors.Is(err, ErrNoAnswer) {
		return Identity{}, err
	}
	return found, nil
}

// fits refuses to found what others, who run already, have founded with this member or otherwise.
func (i Identity) fits(r running) error {
	for _, m := range r.members {
		if m.ID == i.MemberID && len(m.ClientURLs) > 0 {
			return &AlreadyBootstrappedError{m.ID}
		}
	}
	if r.clusterID != i.ClusterID {
		// They would refuse every message of this member, which would wait for them for ever.
		return fmt.Errorf("%w: the flags describe cluster %s, and members that --initial-cluster names run as cluster %s; give all founders "+
			"the same --initial-cluster and --initial-cluster-token, or add this member to that cluster and start it with "+
			"--initial-cluster-state=existing", ErrOtherCluster, membership.FormatID(i.ClusterID), membership.FormatID(r.clusterID))
	}
	return nil
}

// Join finds the identity that a running cluster gave to this member when it was added. It refuses when this member has
// served before.
func Join(ctx context.Context, o Options) (Identity, error) {
	founders, err := o.founders(ctx)
	if err != nil {
		return Identity{}, err
	}
	running, own, err := o.meet(ctx, founders)
	if err != nil {
		return Identity{}, err
	}
	if len(own.ClientURLs) > 0 {
		// The leader relies on what this member has acknowledged, and a vote without that log could undo it (etcd#21178).
		return Identity{}, &AlreadyBootstrappedError{own.ID}
	}
	learners := 0
	for _, m := range running.members {
		if m.IsLearner {
			learners++
		}
	}
	if learners > o.MaxLearners {
		return Identity{}, membership.ErrTooManyLearners
	}
	if err := o.checkCompatible(ctx, running.members, own.ID); err != nil {
		return Identity{}, err
	}
	return Identity{MemberID: own.ID, ClusterID: running.clusterID, Members: running.members}, nil
}

// meet finds the running cluster that --initial-cluster describes, and this member in it. A member that has not heard yet of
// the addition of this one tells an older list, so another answer may fit, or the same member's a moment later.
func (o Options) meet(ctx context.Context, founders clusterurl.Founders) (found running, own membership.Member, err error) {
	end := time.Now().Add(meetTimeout)
	for {
		found, err = o.fetchMembers(ctx, others(founders, o.Name), func(r running) error {
			byName, err := o.match(ctx, founders, r.members)
			own = byName[o.Name]
			if err != nil {
				return fmt.Errorf("error validating peerURLs of the running cluster %s against --initial-cluster %s: %w",
					membership.FormatID(r.clusterID), founders, err)
			}
			return nil
		})
		if errors.Is(err, ErrNoAnswer) {
			return running{}, own, fmt.Errorf("cannot fetch cluster info from peer urls: %w", err)
		}
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return found, own, err
		}
		time.Sleep(meetPause)
	}
}

// founders reads --initial-cluster and holds it against the flags about this member.
func (o Options) founders(ctx context.Context) (clusterurl.Founders, error) {
	founders, err := clusterurl.ParseFounders(o.InitialCluster)
	if err != nil {
		return nil, fmt.Errorf("error setting up initial cluster: %w", err)
	}
	urls, ok := founders[o.Name]
	if !ok {
		return nil, fmt.Errorf("couldn't find local name %q in the initial cluster configuration", o.Name)
	}
	if founders.DuplicateURL() {
		return nil, fmt.Errorf("initial cluster %s has duplicate url", founders)
	}
	advertised := slices.Sorted(slices.Values(o.AdvertisePeerURLs))
	same, err := o.sameURLs(ctx, advertised, urls)
	if err != nil {
		same = fmt.Errorf("the names could not be compared by address: %w", err)
	}
	if same == nil {
		return founders, nil
	}
	if missing := without(urls, advertised); len(missing) > 0 {
		return nil, fmt.Errorf("--initial-cluster has %s but missing from --initial-advertise-peer-urls=%s (%w)",
			o.Name+"="+strings.Join(missing, ","+o.Name+"="), strings.Join(advertised, ","), same)
	}
	return nil, fmt.Errorf("--initial-advertise-peer-urls has %s but missing from --initial-cluster=%s (%w)",
		strings.Join(without(advertised, urls), ","), founders, same)
}

func without(list, drop []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(drop, s) })
}

// others lists the peer URLs of everyone but name, sorted.
func others(founders clusterurl.Founders, name string) []string {
	var urls []string
	for other, list := range founders {
		if other != name {
			urls = append(urls, list...)
		}
	}
	slices.Sort(urls)
	return urls
}

// match finds for every name of --initial-cluster the running member with the same peer URLs.
func (o Options) match(ctx context.Context, founders clusterurl.Founders, running []membership.Member) (map[string]membership.Member, error) {
	if len(founders) != len(running) {
		return nil, fmt.Errorf("member count is unequal (%d in --initial-cluster, %d in the cluster)", len(founders), len(running))
	}
	byName := map[string]membership.Member{}
	taken := map[uint64]bool{}
	for _, name := range founders.Names() {
		found := false
		for _, m := range running {
			if taken[m.ID] {
				continue
			}
			same, err := o.sameURLs(ctx, m.PeerURLs, founders[name])
			if err != nil {
				return nil, err
			}
			if same == nil {
				byName[name], taken[m.ID], found = m, true, true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("PeerURLs: no match found for member %s with %s in the running cluster", name, strings.Join(founders[name], ","))
		}
	}
	return byName, nil
}

func (o Options) log(message, member string, err error) {
	if o.Log != nil {
		o.Log(message, member, err)
	}
}
