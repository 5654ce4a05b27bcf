package workload

import (
	"fmt"
	"strings"
)

// Kind is a sort of load. The zero value of each kind is what suits a small cluster; a field that is set says otherwise.
type Kind interface {
	// Name is that by which Find finds it.
	Name() string
	// bodies are what its clients do, one each.
	bodies() []body
}

// kinds are all, as small clusters get them.
var kinds = []Kind{Mixed{}, Leases{}, Locks{}, Watches{}, Auth{}, Kubernetes{}, Counters{}, Large{}, Compactor{}}

// Names are those of all kinds.
func Names() (names []string) {
	for _, k := range kinds {
		names = append(names, k.Name())
	}
	return names
}

// Find finds a kind by its name.
func Find(name string) (Kind, error) {
	for _, k := range kinds {
		if k.Name() == name {
			return k, nil
		}
	}
	return nil, fmt.Errorf("workload: there is no kind %q, but %s", name, strings.Join(Names(), ", "))
}

// or is a value, or what is used instead when it is not set.
func or[T comparable](value, usual T) T {
	var none T
	if value == none {
		return usual
	}
	return value
}

// paced is n clients that do the same, each so many steps a second.
func paced(n int, rate float64, do func(c *client, i int)) (all []body) {
	for i := range n {
		all = append(all, func(c *client) {
			c.rate = rate
			do(c, i)
		})
	}
	return all
}
