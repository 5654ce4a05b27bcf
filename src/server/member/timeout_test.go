package member

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestWhyARequestTimedOut(t *testing.T) {
	const election = time.Second
	elected := time.Now()
	before := func(d time.Duration) time.Time { return elected.Add(-d) }
	for name, c := range map[string]struct {
		start  time.Time
		leader uint64
		broken bool // the connections
		want   error
	}{
		"there was an election meanwhile":                      {before(election), 2, false, ErrTimeoutLeaderFail},
		"there was one, and connections broke":                 {before(election), 2, true, ErrTimeoutLeaderFail},
		"there was one, long after the request came":           {before(2 * election), 2, false, ErrTimeout},
		"there was one before":                                 {before(-election), 2, false, ErrTimeout},
		"there is no leader any more, as etcd says it":         {before(-election), 0, true, ErrTimeout},
		"this member leads, and has lost a quorum":             {before(-election), 1, true, ErrTimeoutConnectionLost},
		"this member leads, and nobody knows why":              {before(-election), 1, false, ErrTimeout},
		"another member leads, and the connection to it broke": {before(-election), 2, true, ErrTimeoutConnectionLost},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			l := lateness{
				elected: &elected, election: election, leader: c.leader, self: 1,
				quorum: func(since time.Time) bool {
					w.Expect(since).To(Equal(c.start))
					return !c.broken
				},
				member: func(id uint64, since time.Time) bool {
					w.Expect(since).To(Equal(c.start))
					w.Expect(id).To(Equal(c.leader))
					return !c.broken
				},
			}
			w.Expect(l.of(c.start)).To(MatchError(c.want))
			l.elected = nil
			w.Expect(l.of(c.start)).NotTo(MatchError(ErrTimeoutLeaderFail), "no leader was ever known")
		})
	}
}
