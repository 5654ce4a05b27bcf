package apply

import (
	"context"
	"fmt"

	"quoin.dev/server/auth"
)

// tokens is a provider whose tokens say whose they are; for those who look, it remembers what it was told.
type tokens struct{ told *[]string }

func (t tokens) tell(format string, a ...any) {
	if t.told != nil {
		*t.told = append(*t.told, fmt.Sprintf(format, a...))
	}
}

func (t tokens) Secret() (string, error) { return "secret", nil }

func (t tokens) Assign(user string, revision uint64, secret string, index uint64) (string, error) {
	return fmt.Sprintf("%s@%d:%s.%d", user, revision, secret, index), nil
}

func (t tokens) Lookup(context.Context, string, uint64) (auth.Identity, bool) {
	return auth.Identity{}, false
}

func (t tokens) Enable()            { t.tell("enable") }
func (t tokens) Disable()           { t.tell("disable") }
func (t tokens) Forget(user string) { t.tell("forget %s", user) }
func (t tokens) Close()             {}
