package netfault

import "time"

const (
	// maxDelay keeps what is held small.
	maxDelay = 10 * time.Second
	// maxWaitingBytes may wait for a slow link, as in the buffer of a router. It has room for two of the longest packets.
	maxWaitingBytes = 128 << 10
)

// lane decides when the packets of one link may go. It has no clock and no dice.
type lane struct {
	condition Condition
	// sent is when the slow link will have sent what it was given, last when the last packet arrives.
	sent, last time.Time
	count      Count
}

// due is when a packet that comes now arrives. Chance is from 0 to 1, and places it within the jitter. It is false if too much is
// waiting: then the packet is to be dropped.
func (l *lane) due(now time.Time, lengthBytes int, chance float64) (time.Time, bool) {
	l.count.Packets++
	l.count.Bytes += uint64(lengthBytes)
	at := now
	if rate := l.condition.BytesPerSecond; rate > 0 {
		if l.sent.Before(now) {
			l.sent = now
		}
		if takes(l.sent.Sub(now), rate)+lengthBytes > maxWaitingBytes {
			return time.Time{}, false
		}
		l.sent = l.sent.Add(time.Duration(float64(lengthBytes) / float64(rate) * float64(time.Second)))
		at = l.sent
	}
	at = at.Add(l.condition.Delay + time.Duration((2*chance-1)*float64(l.condition.Jitter)))
	if !l.condition.Reorder {
		if at.Before(l.last) {
			at = l.last
		}
		l.last = at
	}
	return at, true
}

// takes is how many bytes a link of that rate sends in that time.
func takes(d time.Duration, bytesPerSecond int) int {
	return int(d.Seconds() * float64(bytesPerSecond))
}
