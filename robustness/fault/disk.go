package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/diskfault"
)

// diskKinds are faults of the file system that a member's data are on.
var diskKinds = []Kind{
	{Name: "fsync-error", What: "lets syncs fail, and what they were about get lost", Needs: Needs{Disk: true}, inject: rule(diskfault.Rule{
		Op: diskfault.Fsync, Err: syscall.EIO, Drop: true,
	})},
	{Name: "write-error", What: "lets writes fail", Needs: Needs{Disk: true}, inject: rule(diskfault.Rule{Op: diskfault.Write, Err: syscall.EIO})},
	{Name: "full-disk", What: "lets no file grow: the disk is full", Needs: Needs{Disk: true}, inject: fullDisk},
	{Name: "slow-fsync", What: "makes every sync slow", Usual: 200, Unit: "ms", Needs: Needs{Disk: true}, inject: slowFsync},
	{Name: "freeze-disk", What: "lets every call that writes hang", Needs: Needs{Disk: true}, inject: rule(
		diskfault.Rule{Op: diskfault.Write, Freeze: true}, diskfault.Rule{Op: diskfault.Fsync, Freeze: true}, diskfault.Rule{Op: diskfault.Create, Freeze: true},
	)},
	{Name: "power-cut", What: "kills the process and takes away all that was not synced", Needs: Needs{Disk: true}, inject: powerCut},
	{Name: "torn-power-cut", What: "kills the process in the middle of a sync and takes away some of the sectors that were not synced", Needs: Needs{Disk: true}, inject: tornPowerCut},
	{
		Name: "flickering-power", What: "is a torn power cut, and another cut soon after the process runs again", Usual: 500, Unit: "ms",
		Needs: Needs{Disk: true}, inject: flickeringPower,
	},
	{Name: "flip-wal", What: "kills the process and flips a bit in its write-ahead log", Needs: Needs{Disk: true}, inject: flip("member/wal/*.wal")},
	{Name: "flip-db", What: "kills the process and flips a bit in its database", Needs: Needs{Disk: true}, inject: flip("member/snap/db")},
	{Name: "flip-snap", What: "kills the process and flips a bit in its newest snapshot file", Needs: Needs{Disk: true}, inject: flip("member/snap/*.snap")},
}

// disk is that of a member.
func (i *Injection) disk(m *cluster.Member) (*diskfault.Disk, error) {
	d, ok := i.Disks[m.Name]
	if !ok {
		return nil, errors.New("the disks of this scenario can not fail")
	}
	return d, nil
}

// rule sets rules on the disks of the victims. Members may end because of them; they are started again when all is well.
func rule(rules ...diskfault.Rule) func(context.Context, *Injection) error {
	return func(ctx context.Context, i *Injection) error {
		return i.each(func(m *cluster.Member) error {
			d, err := i.disk(m)
			if err != nil {
				return err
			}
			release := i.claim(m)
			i.startAgain(m, release)
			var ids []int
			for _, r := range rules {
				ids = append(ids, d.Set(r))
			}
			i.bitten(m, d, ids)
			return nil
		})
	}
}

// bitten clears rules when the fault is healed, and proves that calls felt them.
func (i *Injection) bitten(m *cluster.Member, d *diskfault.Disk, ids []int) {
	i.proof(func(context.Context) (string, error) {
		calls := 0
		for _, id := range ids {
			calls += d.Bit(id)
		}
		if calls == 0 {
			return "", fmt.Errorf("no call of %s to its disk was touched", m.Name)
		}
		text := fmt.Sprintf("%d calls of %s to its disk felt it", calls, m.Name)
		if !m.Running() {
			text += fmt.Sprintf(", and it ended itself with exit code %d", m.Node().ExitCode())
		}
		return text, nil
	})
	i.onHeal(func(context.Context) error {
		for _, id := range ids {
			d.Clear(id)
		}
		return nil
	})
}

func slowFsync(ctx context.Context, i *Injection) error {
	i.detail("%d ms", i.Step.Amount)
	return rule(diskfault.Rule{Op: diskfault.Fsync, Delay: time.Duration(i.Step.Amount) * time.Millisecond})(ctx, i)
}

func fullDisk(_ context.Context, i *Injection) error {
	return i.each(func(m *cluster.Member) error {
		d, err := i.disk(m)
		if err != nil {
			return err
		}
		i.startAgain(m, i.claim(m))
		id, err := d.Limit(0)
		if err != nil {
			return err
		}
		i.bitten(m, d, []int{id})
		return nil
	})
}

// flip damages a file of a member at rest. The member has to refuse to start, or to be right: it is started, watched for a moment, and
// gets its file back.
func flip(pattern string) func(context.Context, *Injection) error {
	return func(ctx context.Context, i *Injection) error {
		return i.each(func(m *cluster.Member) error {
			release := i.claim(m)
			if err := m.Kill(ctx); err != nil {
				release()
				return err
			}
			file, err := newest(m.DataDir(), pattern)
			if err != nil {
				release()
				return err
			}
			whole, err := os.ReadFile(file)
			if err != nil {
				release()
				return err
			}
			i.onHeal(func(ctx context.Context) error {
				defer release()
				return i.repair(ctx, m, file, whole)
			})
			at, err := diskfault.FlipBit(i.draws(), file)
			if err != nil {
				return err
			}
			i.detail("%s of %s", at, filepath.Base(file))
			if err := m.Launch(ctx); err != nil {
				return err
			}
			i.proof(func(ctx context.Context) (string, error) { return i.took(ctx, m, filepath.Base(file)) })
			return nil
		})
	}
}

// newest is the last of the files that match a pattern, by name.
func newest(dir, pattern string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err == nil && len(files) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", pattern, err)
	}
	return slices.Max(files), nil
}

// took tells how a member took the damage.
func (i *Injection) took(_ context.Context, m *cluster.Member, file string) (string, error) {
	if m.Running() {
		return fmt.Sprintf("%s has started with a bit of %s flipped", m.Name, file), nil
	}
	return fmt.Sprintf("%s refused to start with a bit of %s flipped, exit code %d", m.Name, file, m.Node().ExitCode()), nil
}

// repair gives a member its file as it was. A database may be an older one than the log, so one that was served is replaced, too; a log
// that was taken goes on: what is in it must be right.
func (i *Injection) repair(ctx context.Context, m *cluster.Member, file string, whole []byte) error {
	if m.Running() {
		if filepath.Base(file) != "db" {
			return nil
		}
		if err := m.Kill(ctx); err != nil {
			return err
		}
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		return err
	}
	return m.Launch(ctx)
}
