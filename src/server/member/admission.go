package member

import (
	"sync/atomic"

	pb "quoin.dev/api/etcdserverpb"
)

// Bounds of what is under way through one member: sent on its way, and neither applied nor given up. What makes room, which
// is the end of a lease, may use twice of each, so that it gets through where nothing else does.
const (
	maxUnderWay      = 32_768
	maxUnderWayBytes = 256 << 20
	makesRoomFactor  = 2
)

// makesRoom reports whether a request frees what others take.
func makesRoom(r *pb.InternalRaftRequest) bool { return r.LeaseRevoke != nil }

// admission counts what is under way.
type admission struct{ requests, bytes atomic.Int64 }

// enter admits a request of a size; it has to leave.
func (a *admission) enter(bytes int, makesRoom bool) bool {
	factor := int64(1)
	if makesRoom {
		factor = makesRoomFactor
	}
	requests, all := a.requests.Add(1), a.bytes.Add(int64(bytes))
	if requests > factor*maxUnderWay || all > factor*maxUnderWayBytes {
		a.leave(bytes)
		return false
	}
	return true
}

// leave takes one off.
func (a *admission) leave(bytes int) {
	a.requests.Add(-1)
	a.bytes.Add(-int64(bytes))
}

// behind reports whether so many committed entries wait to be applied here that a request had better not come on top of them.
func (m *Member) behind(makesRoom bool) bool {
	most := uint64(m.cfg.Limits.MaxApplyLag)
	if makesRoom {
		most *= makesRoomFactor
	}
	return m.node.Commit() > m.applied.index()+most
}
