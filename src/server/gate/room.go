package gate

import (
	"container/list"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// logEvictedEvery is how often the log says that connections had to make room.
const logEvictedEvery = 5 * time.Second

// Room holds connections of which it is not clear yet what they want. When it is full the oldest is closed for the sake of a
// new one: one that means to speak has done so long before.
type Room struct {
	max int
	log *zap.Logger

	mu      sync.Mutex // guards what follows; never held across I/O
	waiting list.List  // of net.Conn, the oldest first
	closed  bool
	evicted int       // since it was said last
	saidAt  time.Time // when that was
}

// NewRoom makes a room for max connections.
func NewRoom(max int, log *zap.Logger) *Room { return &Room{max: max, log: log} }

// Enter takes a connection in until leave is called; false when the room is closed, and the caller ends the connection.
func (r *Room) Enter(conn net.Conn) (leave func(), ok bool) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, false
	}
	var oldest net.Conn
	if r.waiting.Len() >= r.max {
		oldest = r.waiting.Remove(r.waiting.Front()).(net.Conn)
		r.evicted++
	}
	place := r.waiting.PushBack(conn)
	evicted := 0
	if now := time.Now(); r.evicted > 0 && now.Sub(r.saidAt) > logEvictedEvery {
		evicted, r.evicted, r.saidAt = r.evicted, 0, now
	}
	r.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
	if evicted > 0 {
		r.log.Warn("closed connections that had not spoken yet, to make room for others", zap.Int("count", evicted), zap.Int("limit", r.max))
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.waiting.Remove(place) // nothing, if it had to make room
	}, true
}

// Len is how many connections are in the room.
func (r *Room) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting.Len()
}

// Close ends all connections in the room, and lets none in any more.
func (r *Room) Close() {
	r.mu.Lock()
	r.closed = true
	var open []net.Conn
	for e := r.waiting.Front(); e != nil; e = e.Next() {
		open = append(open, e.Value.(net.Conn))
	}
	r.mu.Unlock()
	for _, conn := range open {
		_ = conn.Close()
	}
}
