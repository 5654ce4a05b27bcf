package watch

import (
	"testing"
	"time"
)

// TestWatchersGetNearerBesideWrites: what is left to writes must not let them outrun the watchers that are behind.
func TestWatchersGetNearerBesideWrites(t *testing.T) {
	const took, gained = time.Millisecond, 300
	for _, perMillisecond := range []int64{1, 20, 40, 59, 61, 75, 100, 140} {
		distance, written := int64(50_000), int64(0)
		for passes := 0; distance > 0; passes++ {
			if passes == 10_000 {
				t.Fatalf("with %d new revisions in a millisecond, watchers are %d behind after %d passes", perMillisecond, distance, passes)
			}
			written = int64((took + breath(took, gained, written)) / time.Millisecond * time.Duration(perMillisecond))
			distance += written - gained
		}
	}
}

func TestBreath(t *testing.T) {
	for _, c := range []struct {
		took            time.Duration
		gained, written int64
		want            time.Duration
	}{
		{took: time.Millisecond, gained: 900},
		{took: time.Millisecond, gained: 900, written: 1, want: 4 * time.Millisecond},
		{took: time.Millisecond, gained: 900, written: 451, want: time.Millisecond},
		{took: time.Minute, gained: 900, written: 1, want: longestBreath},
		{gained: 900, written: 1},
	} {
		if got := breath(c.took, c.gained, c.written); got != c.want {
			t.Errorf("breath(%v, %d, %d) = %v, want %v", c.took, c.gained, c.written, got, c.want)
		}
	}
}
