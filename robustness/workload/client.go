package workload

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
)

// client is one client: one goroutine that makes one call after the other, to one member at a time.
type client struct {
	w  *Workload
	id int
	// calls is what its calls end with.
	calls context.Context

	// Every step draws from a source of its own, made of the seed and the number of the step. So an answer can change what a later
	// step asks for, but not which kind of step it is.
	seed, step uint64
	source     *rand.PCG
	random     *rand.Rand

	rate     float64       // steps a second, 0: as fast as it can
	due      time.Time     // when the next step is to be made
	patience time.Duration // deadline of all calls, 0: drawn for each
	written  int           // values that it has made up

	target Target
	pinned bool // it stays with its target
	conn   *grpc.ClientConn

	user, password, token string
}

// body is what a client does until next says that it is over.
type body func(c *client)

func (w *Workload) client(seed uint64) *client {
	source := rand.NewPCG(seed, 0)
	c := &client{
		w: w, id: w.opts.Recorder.newClient(), calls: w.calls, seed: seed, source: source, random: rand.New(source),
		user: w.opts.User, password: w.opts.Password,
	}
	if w.opts.Patient {
		c.patience = longPatience
	}
	return c
}

// seedOf gives each client of each kind a seed of its own, whatever other kinds there are.
func seedOf(seed uint64, kind string, i int) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", seed, kind, i)
	return h.Sum64()
}

func (c *client) run(b body) {
	defer c.disconnect()
	b(c)
}

// next waits for the time of the next step. It is false when the load is over.
func (c *client) next() bool { return c.pause(time.Until(c.turn())) }

// turn draws when the next step is to be made.
func (c *client) turn() time.Time {
	c.step++
	c.source.Seed(c.seed, c.step)
	now := time.Now()
	if c.rate > 0 {
		c.due = c.due.Add(time.Duration((0.5 + c.random.Float64()) / c.rate * float64(time.Second)))
	}
	if c.due.Before(now) {
		c.due = now // what was missed is not made up for
	}
	return c.due
}

// pause waits, and is false when the load is over or the record is full.
func (c *client) pause(d time.Duration) bool {
	if c.w.opts.Recorder.full() {
		return false
	}
	return wait(c.w.load, d)
}

func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// between draws a duration.
func (c *client) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.random.Int64N(int64(most-least)+1))
}

// chance is true once in n times.
func (c *client) chance(n int) bool { return c.random.IntN(n) == 0 }

// value makes up a value that nobody else writes.
func (c *client) value() string {
	c.written++
	return fmt.Sprintf("c%d-%06d", c.id, c.written)
}

// lease makes up an ID that nobody else uses: that of the client in front of the number of its step.
func (c *client) lease() int64 { return int64(c.id+1)<<32 | int64(c.step&0xffffffff) }

// connection is to the present target.
func (c *client) connection() *grpc.ClientConn {
	if c.target.Name == "" {
		c.target = c.w.another(c.random, "")
	}
	if c.conn == nil {
		c.conn = connect(c.target.Endpoint, c.w.opts.TLS)
	}
	return c.conn
}

func (c *client) disconnect() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// move goes to another member.
func (c *client) move() {
	if !c.pinned {
		c.disconnect()
		c.target = c.w.another(c.random, c.target.Name)
		c.token = ""
	}
}
