package certs

import (
	"time"

	"go.uber.org/zap"
)

const (
	// lookEvery is how often ends are looked at.
	lookEvery = 24 * time.Hour
	// warnBefore is how long before its end each thing is written about, at every look.
	warnBefore = 30 * 24 * time.Hour
)

// Watch writes about what is going to end, at once and then every day, and renews what this member made itself. It returns
// when stop is closed.
func (c *Certs) Watch(stop <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		c.look(time.Now())
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

func (c *Certs) look(now time.Time) {
	for _, own := range c.own {
		if err := own.keep(); err != nil {
			c.log.Warn("failed to renew a certificate that this member made itself", zap.Error(err))
		}
	}
	for _, e := range c.Expiries() {
		left := e.At.Sub(now)
		if left > warnBefore {
			continue
		}
		message := "a " + e.Kind + " is about to end"
		if left <= 0 {
			message = "a " + e.Kind + " has ended"
		}
		c.log.Warn(message, zap.String("endpoint", e.Use), zap.String("path", e.File), zap.String("subject", e.Subject),
			zap.Time("not-after", e.At), zap.Int("days-left", int(left/(24*time.Hour))))
	}
}
