package stall

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Watch
		expect := func(got, want time.Duration) {
			t.Helper()
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		expect(w.For(time.Now()), 0)
		for range 2 {
			w.Begin()
			time.Sleep(time.Minute)
			expect(w.For(time.Now()), time.Minute)
			expect(w.End(), time.Minute)
			expect(w.For(time.Now().Add(time.Hour)), 0)
		}
	})
}
