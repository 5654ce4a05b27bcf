package netfault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// way is a link by its addresses.
type way struct{ from, to netip.Addr }

// queue holds back the packets of one namespace. One goroutine learns of them, another lets them go.
type queue struct {
	conn    *netlink.Conn
	earlier chan struct{} // has room for one word: the first packet may go earlier than it was
	ending  chan struct{}
	running sync.WaitGroup

	mu    sync.Mutex // guards what follows; it is not held while a message is sent
	lanes map[way]*lane
	held  held
	err   error
}

func openQueue(netns *os.File) (*queue, error) {
	conn, err := dialQueue(netns)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	q := &queue{conn: conn, earlier: make(chan struct{}, 1), ending: make(chan struct{}), lanes: map[way]*lane{}}
	q.running.Go(q.learn)
	q.running.Go(q.release)
	return q, nil
}

// shape sets the lanes. One that stays remembers what it has sent, and begins to count anew. Packets of one that goes are free.
func (q *queue) shape(conditions map[way]Condition) {
	q.mu.Lock()
	lanes := make(map[way]*lane, len(conditions))
	kept := map[*lane]bool{}
	for w, c := range conditions {
		l := q.lanes[w]
		if l == nil {
			l = new(lane)
		}
		l.condition, l.count = c, Count{}
		lanes[w], kept[l] = l, true
	}
	q.lanes = lanes
	q.held.free(func(l *lane) bool { return kept[l] })
	q.mu.Unlock()
	q.hurry()
}

// counts are those of all lanes since they were set. It fails if the queue has.
func (q *queue) counts() (map[way]Count, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := make(map[way]Count, len(q.lanes))
	for w, l := range q.lanes {
		counts[w] = l.count
	}
	return counts, q.err
}

// learn hears of packets until the socket is closed.
func (q *queue) learn() {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	for {
		messages, err := q.conn.Receive()
		switch {
		case q.isEnding():
			return
		case errors.Is(err, unix.ENOENT):
			// A packet that was to go is not there any more: its device is gone.
			continue
		case err != nil:
			q.fail(fmt.Errorf("read from a queue of packets: %w", err))
			return
		}
		for _, message := range messages {
			a, err := parseArrival(message)
			if err != nil {
				q.fail(err)
				return
			}
			if verdict, now := q.place(a, time.Now(), random.Float64()); now {
				q.send(verdict, a.id)
			}
		}
	}
}

// place finds the place of a packet among those that wait, or says what is to be done with it now.
func (q *queue) place(a arrival, now time.Time, chance float64) (verdict uint32, decided bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[way{a.from, a.to}]
	if l == nil {
		return verdictAccept, true
	}
	if q.held.bytes+a.lengthBytes > maxHeldBytes {
		return verdictDrop, true
	}
	due, ok := l.due(now, a.lengthBytes, chance)
	if !ok {
		return verdictDrop, true
	}
	q.held.add(heldPacket{id: a.id, lengthBytes: a.lengthBytes, due: due, lane: l})
	if q.held.packets[0].id == a.id {
		q.hurry()
	}
	return 0, false
}

// hurry tells release to look again.
func (q *queue) hurry() {
	select {
	case q.earlier <- struct{}{}:
	default:
	}
}

// release lets packets go when their time has come.
func (q *queue) release() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		q.mu.Lock()
		ids := q.held.takeDue(time.Now())
		next, some := q.held.next()
		q.mu.Unlock()
		q.send(verdictAccept, ids...)
		if some {
			timer.Reset(time.Until(next))
		}
		select {
		case <-timer.C:
		case <-q.earlier:
		case <-q.ending:
			return
		}
	}
}

// send tells the kernel what to do with packets.
func (q *queue) send(verdict uint32, ids ...uint32) {
	const atOnce = 256
	for some := range slices.Chunk(ids, atOnce) {
		messages, err := verdicts(verdict, some...)
		if err == nil {
			_, err = q.conn.SendMessages(messages)
		}
		if err != nil {
			q.fail(fmt.Errorf("let packets go: %w", err))
			return
		}
	}
}

func (q *queue) isEnding() bool {
	select {
	case <-q.ending:
		return true
	default:
		return false
	}
}

// fail remembers why the queue does not work.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
}

// close lets all packets go, and ends the queue.
func (q *queue) close() error {
	close(q.ending)
	q.mu.Lock()
	q.held.free(func(*lane) bool { return false })
	ids := q.held.takeDue(time.Now())
	q.mu.Unlock()
	q.send(verdictAccept, ids...)
	err := q.conn.Close()
	q.running.Wait()
	return err
}
