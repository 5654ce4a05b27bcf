// Package alarm holds the alarms of a cluster: which member raised which.
package alarm

import (
	"cmp"
	"slices"
	"sync"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/storage/schema"
)

type key struct {
	member uint64
	alarm  pb.AlarmType
}

// Set is the alarms that are active. It may be read by many goroutines while one changes it.
type Set struct {
	rows schema.Writer // takes rows into the batch that is being applied

	mu     sync.RWMutex // guards active
	active map[key]struct{}
}

// Load returns the set that the stored rows describe; it persists further changes into rows.
func Load(stored schema.Reader, rows schema.Writer) (*Set, error) {
	alarms, err := schema.Alarms(stored)
	if err != nil {
		return nil, err
	}
	s := &Set{rows: rows, active: map[key]struct{}{}}
	for _, m := range alarms {
		s.active[key{m.MemberID, m.Alarm}] = struct{}{}
	}
	return s, nil
}

// Empty reports whether no alarm is active.
func (s *Set) Empty() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.active) == 0
}

// Active reports whether any member has raised a.
func (s *Set) Active(a pb.AlarmType) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k := range s.active {
		if k.alarm == a {
			return true
		}
	}
	return false
}

// Raised reports whether a member has raised a.
func (s *Set) Raised(member uint64, a pb.AlarmType) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.active[key{member, a}]
	return ok
}

// List returns the active alarms of one type, or all for NONE, by member and type.
func (s *Set) List(a pb.AlarmType) []*pb.AlarmMember {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []*pb.AlarmMember
	for k := range s.active {
		if a == pb.AlarmType_NONE || k.alarm == a {
			list = append(list, &pb.AlarmMember{MemberID: k.member, Alarm: k.alarm})
		}
	}
	slices.SortFunc(list, func(x, y *pb.AlarmMember) int {
		return cmp.Or(cmp.Compare(x.MemberID, y.MemberID), cmp.Compare(x.Alarm, y.Alarm))
	})
	return list
}

// Activate raises an alarm; raising it twice is raising it once.
func (s *Set) Activate(m *pb.AlarmMember) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{m.MemberID, m.Alarm}
	if _, ok := s.active[k]; ok {
		return
	}
	s.active[k] = struct{}{}
	schema.PutAlarm(s.rows, m)
}

// Deactivate clears an alarm and reports whether it was active.
func (s *Set) Deactivate(m *pb.AlarmMember) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{m.MemberID, m.Alarm}
	if _, ok := s.active[k]; !ok {
		return false
	}
	delete(s.active, k)
	schema.DeleteAlarm(s.rows, m)
	return true
}
