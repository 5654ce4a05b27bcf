package member

import (
	"slices"

	"quoin.dev/api/version"

	"quoin.dev/server/membership"
)

// nextVersion decides which version the cluster should speak, from the server versions of all its members (nil for one that
// can not be asked). It is "" to leave it as it is.
//
// It is the lowest of them, and goes up by itself only: down is what a downgrade job asks for, by one minor version. While a
// member can not be asked nothing changes, since it may be one that the change would shut out; but when nothing was decided
// yet, such a member counts as the oldest there can be.
func nextVersion(now string, job membership.Downgrade, members []*membership.Minor) string {
	lowest, all := lowestOf(members)
	current, err := membership.ParseMinor(now)
	switch {
	case err != nil && !all:
		return version.MinCluster
	case err != nil:
		return lowest.ClusterVersion()
	case !all:
		return ""
	case job.Enabled:
		target, err := membership.ParseMinor(job.TargetVersion)
		if err != nil || !target.Before(current) || lowest != target && !target.Before(lowest) {
			return ""
		}
		return target.ClusterVersion()
	case lowest.Compare(current) > 0:
		return lowest.ClusterVersion()
	}
	return ""
}

// lowestOf returns the lowest of some versions, and whether all are known.
func lowestOf(members []*membership.Minor) (lowest membership.Minor, all bool) {
	if len(members) == 0 || slices.Contains(members, nil) {
		return membership.Minor{}, false
	}
	return *slices.MinFunc(members, func(a, b *membership.Minor) int { return a.Compare(*b) }), true
}

// allRun tells whether all members are known to run the target of a downgrade.
func allRun(target string, members []*membership.Minor) bool {
	to, err := membership.ParseMinor(target)
	other := func(m *membership.Minor) bool { return m == nil || *m != to }
	return err == nil && len(members) > 0 && !slices.ContainsFunc(members, other)
}

// lowers tells whether a change of the cluster version is one to an older one.
func lowers(from, to string) bool {
	now, err := membership.ParseMinor(from)
	next, errNext := membership.ParseMinor(to)
	return err == nil && errNext == nil && next.Compare(now) < 0
}
