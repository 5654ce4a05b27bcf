package workload

import (
	"fmt"
	"math"
	"strings"
)

// Large writes values of very different sizes, most of which do not fit into a sector of a disk: what a member writes at once can be
// torn then. Values are repetitions of what only one client writes, so that parts of two never look like one.
type Large struct {
	// Clients is how many there are; 0: 2. Keys is how many keys they share; 0: 3. Rate is how many calls each makes a second; 0: 6.
	Clients, Keys int
	Rate          float64
	// LeastBytes and MostBytes bound the sizes of values, none of which is likelier than twice of it; 0: 1 KiB and 100 KiB.
	LeastBytes, MostBytes int
}

// Name is "large".
func (Large) Name() string { return "large" }

const largePrefix = "large/"

func (k Large) bodies() []body {
	return paced(or(k.Clients, 2), or(k.Rate, 6), func(c *client, _ int) {
		l := &large{client: c, keys: or(k.Keys, 3), least: or(k.LeastBytes, 1<<10), most: or(k.MostBytes, 100<<10)}
		for c.next() {
			l.step()
		}
	})
}

// large is one client that writes large values.
type large struct {
	*client
	keys, least, most int
}

func (l *large) step() {
	key := fmt.Sprint(largePrefix, "k", l.random.IntN(l.keys))
	switch n := l.random.IntN(10); {
	case n < 7:
		_, _ = l.put(putRequest(key, l.bulk()))
	case n < 8:
		_, _ = l.txn(guarded(key, compareVersion(key, 0), putOp(putRequest(key, l.bulk()))))
	default:
		_, _ = l.read(getRequest(key))
	}
}

// bulk makes up a value.
func (l *large) bulk() string {
	size := float64(l.least) * math.Pow(float64(l.most)/float64(l.least), l.random.Float64())
	part := l.value() + " "
	return strings.Repeat(part, int(size)/len(part)+1)
}
