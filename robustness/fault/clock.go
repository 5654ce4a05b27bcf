package fault

import (
	"context"
	"fmt"
	"time"

	"quoin.dev/quoin/robustness/cluster"
)

var clockKinds = []Kind{
	{Name: "clock-jump", What: "sets the clock of the process, and sets it back", Usual: 3600, Unit: "s", Needs: Needs{Clock: true}, inject: clockJump},
}

func clockJump(_ context.Context, i *Injection) error {
	jump := time.Duration(i.Step.Amount) * time.Second
	return i.each(func(m *cluster.Member) error {
		clock, ok := i.Clocks[m.Name]
		if !ok {
			return fmt.Errorf("the clock of %s can not be set", m.Name)
		}
		before := clock.Offset()
		clock.Jump(jump)
		i.proof(func(context.Context) (string, error) {
			if got := clock.Offset() - before; got != jump {
				return "", fmt.Errorf("the clock of %s is %s off", m.Name, got)
			}
			return fmt.Sprintf("the clock of %s was %s off", m.Name, jump), nil
		})
		i.onHeal(func(context.Context) error { clock.Jump(-jump); return nil })
		return nil
	})
}
