package peer

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"
)

const (
	maxClockDrift = time.Second
	driftEvery    = 30 * time.Second // the same clock is written about at most this often
	failureEvery  = 5 * time.Second  // the same silence is written about at most this often
)

// probeReply is the body that a probe is answered with.
type probeReply struct {
	OK  bool
	Now time.Time
}

// serveProbing tells anyone who asks that the member is alive, and what time it has.
func serveProbing(w http.ResponseWriter, _ *http.Request) {
	// An error means that the prober hung up.
	_ = json.NewEncoder(w).Encode(probeReply{OK: true, Now: time.Now().UTC()})
}

// prober measures round trip time and clock difference of one peer.
type prober struct {
	p        *peer
	interval time.Duration
	// failureLogged and driftLogged are when these were last written about.
	failureLogged, driftLogged time.Time
}

func newProber(p *peer) *prober {
	// A second less than the read timeout keeps the probe's connection from being closed as idle.
	timeout := p.t.cfg.ReadTimeout
	return &prober{p: p, interval: max(timeout-time.Second, timeout/2)}
}

func (b *prober) run() {
	tick := time.NewTicker(b.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.probe()
		case <-b.p.ctx.Done():
			return
		}
	}
}

func (b *prober) probe() {
	start := time.Now()
	reply, err := b.ask()
	now := time.Now()
	rtt := now.Sub(start)
	if err != nil {
		if b.p.ctx.Err() == nil && now.Sub(b.failureLogged) >= failureEvery {
			b.failureLogged = now
			b.p.log.Warn("peer does not answer probes", zap.Duration("waited", rtt), zap.Error(err))
		}
		return
	}
	b.p.t.observer.RoundTrip(b.p.id, rtt)
	// The answer was written about half a round trip ago.
	drift := now.Add(-rtt / 2).Sub(reply.Now).Abs()
	if drift > maxClockDrift && now.Sub(b.driftLogged) >= driftEvery {
		b.driftLogged = now
		b.p.log.Warn("the clocks of this member and the peer differ; leases and certificates depend on them",
			zap.Duration("clock-drift", drift), zap.Duration("rtt", rtt))
	}
}

// ask sends one probe and waits for its answer, at most for one interval.
func (b *prober) ask() (probeReply, error) {
	ctx, cancel := context.WithTimeout(b.p.ctx, b.interval)
	defer cancel()
	base := b.p.urls.current()
	req := b.p.t.client.request(ctx, http.MethodGet, base, pathProbing, nil)
	req.Header = http.Header{} // probes are anonymous
	res, err := b.p.t.client.posts.RoundTrip(req)
	if err != nil {
		return probeReply{}, err
	}
	if res.StatusCode != http.StatusOK {
		return probeReply{}, refusal(res)
	}
	defer res.Body.Close()
	var reply probeReply
	data, err := io.ReadAll(io.LimitReader(res.Body, maxReplyBytes))
	if err != nil {
		return probeReply{}, err
	}
	return reply, json.Unmarshal(data, &reply)
}
