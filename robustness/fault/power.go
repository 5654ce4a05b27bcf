package fault

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/diskfault"
	"quoin.dev/storage/wal"
)

const (
	// tearableBytes are more than two sectors: a sync of the log that is about so much can be torn.
	tearableBytes = 2 << 10
	// tearableTimeout is how long a torn power cut waits for members that are ready, and then for such a sync. Without one it takes
	// what there is.
	tearableTimeout  = 10 * time.Second
	tearableInterval = 2 * time.Millisecond
	// togetherTimeout is how long the first of several logs is held for the others. Longer, and the hanging disks would be the harm.
	togetherTimeout = 300 * time.Millisecond
)

func powerCut(ctx context.Context, i *Injection) error {
	return i.each(func(m *cluster.Member) error { return i.cutPower(ctx, m, i.claim(m), diskfault.Loss{}) })
}

// tornPowerCut lets the power go while the logs of all victims are in the middle of a sync that may be torn. Victims that another
// fault has ended are waited for, since one that starts has nothing new to write.
func tornPowerCut(ctx context.Context, i *Injection) error {
	releases := map[*cluster.Member]func(){}
	defer func() { // of those that were not cut off
		for _, release := range releases {
			release()
		}
	}()
	inOrder := func(a, b *cluster.Member) int { return strings.Compare(a.Name, b.Name) } // so that two faults do not wait for each other
	for _, m := range slices.SortedFunc(slices.Values(i.Victims), inOrder) {
		releases[m] = i.claim(m)
	}
	waiting, cancel := context.WithTimeout(ctx, tearableTimeout)
	defer cancel()
	for _, m := range i.Victims {
		_ = m.WaitReady(waiting) // one that does not come back is for the checks to find
	}
	syncs := map[*diskfault.Disk]int{} // rules that hold them
	for _, m := range i.Victims {
		d, err := i.disk(m)
		if err != nil {
			return err
		}
		id := d.Set(diskfault.Rule{Op: diskfault.Fsync, Path: "*.wal", Bytes: tearableBytes, Freeze: true})
		defer d.Clear(id)
		syncs[d] = id
	}
	i.began = i.waitUntilHeld(waiting, syncs)
	return i.each(func(m *cluster.Member) error {
		release := releases[m]
		delete(releases, m)
		return i.cutPower(ctx, m, release, diskfault.Loss{Keep: diskfault.KeepAny})
	})
}

// flickeringPower lets the power come back for long enough to repair a log, and to write a little to it.
func flickeringPower(ctx context.Context, i *Injection) error {
	if err := tornPowerCut(ctx, i); err != nil {
		return err
	}
	// This comes before the members are started for good.
	i.onHeal(func(ctx context.Context) error {
		for _, m := range i.Victims {
			if err := m.Launch(ctx); err != nil {
				return err
			}
		}
		back := time.Duration(i.Step.Amount) * time.Millisecond
		between(ctx, i.random, back, back)
		for _, m := range i.Victims {
			if err := m.Kill(ctx); err != nil {
				return err
			}
			lost, err := i.Disks[m.Name].PowerCut(i.draws(), diskfault.Loss{})
			if err != nil {
				return err
			}
			i.detail("%s went again after %s, and %s", m.Name, back, lost)
		}
		return nil
	})
	return nil
}

// waitUntilHeld waits until each of some rules holds a call, but not for long once one does. It returns when the first one did, or ctx
// has ended: the harm has begun then, and not before.
func (i *Injection) waitUntilHeld(ctx context.Context, rules map[*diskfault.Disk]int) (began time.Duration) {
	ticker := time.NewTicker(tearableInterval)
	defer ticker.Stop()
	var late <-chan time.Time
	for {
		held := 0
		for d, id := range rules {
			if d.Bit(id) > 0 {
				held++
			}
		}
		if held > 0 && late == nil {
			late, began = time.After(togetherTimeout), i.Now()
		}
		if held == len(rules) {
			return cmp.Or(began, i.Now())
		}
		select {
		case <-ticker.C:
		case <-late:
			return began
		case <-ctx.Done():
			return cmp.Or(began, i.Now())
		}
	}
}

// cutPower takes the power from one member, which is given back when it runs again.
func (i *Injection) cutPower(ctx context.Context, m *cluster.Member, release func(), loss diskfault.Loss) error {
	d, err := i.disk(m)
	if err != nil {
		release()
		return err
	}
	if err := m.Kill(ctx); err != nil {
		release()
		return err
	}
	i.startAgain(m, release)
	before, _ := tornRecord(m) // of a cut before this one, that the member had no time to repair
	lost, err := d.PowerCut(i.draws(), loss)
	if err != nil {
		return err
	}
	i.proof(func(context.Context) (string, error) {
		text := fmt.Sprintf("%s was ended by a signal, and %s", m.Name, lost)
		torn, err := tornRecord(m)
		switch {
		case err != nil:
			text += fmt.Sprintf("; its log can not be read: %v", err)
		case torn != nil && (before == nil || *torn != *before):
			i.halfRecords++
			text += fmt.Sprintf("; its log ends in half a record, at byte %d of %s", torn.Offset, filepath.Base(torn.Path))
		}
		return text, nil
	})
	return nil
}

// tornRecord finds the half of a record at the end of a member's log, nil if there is none.
func tornRecord(m *cluster.Member) (*wal.Torn, error) {
	return wal.Records(filepath.Join(m.DataDir(), "member", "wal"), wal.Options{}, func(wal.Record) error { return nil })
}
