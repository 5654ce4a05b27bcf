package netfault

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Net is the network between nodes. Its methods may be called from many goroutines.
type Net struct {
	// mu guards all that follows, and is held while the kernel is asked: tables are written whole, so changes must reach the kernel
	// in their order. Each exchange with it has a deadline.
	mu       sync.Mutex
	machines map[string]*machine
	links    map[Link]*link
}

// link is what is known of a link that has or had a condition.
type link struct {
	condition Condition
	// bitten is what the condition did before the rules were last written.
	bitten Count
}

// New is a network without machines.
func New() *Net {
	return &Net{machines: map[string]*machine{}, links: map[Link]*link{}}
}

// Outside names an address that is not a node's, such as that which the lab and its clients have for nodes. There may be conditions
// between it and nodes.
func (n *Net) Outside(name string, addr netip.Addr) error {
	if !addr.Unmap().Is4() {
		return fmt.Errorf("%s has the address %s, not one of IPv4", name, addr)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.replace(&machine{name: name, addr: addr.Unmap()})
}

// Attach tells which namespace a node has now, and brings all conditions about in it. If it is the one that the node had, they stay
// in force meanwhile. The caller keeps the file and may close it.
func (n *Net) Attach(name string, addr netip.Addr, netns *os.File) error {
	if !addr.Unmap().Is4() {
		return fmt.Errorf("%s has the address %s, not one of IPv4", name, addr)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if old := n.machines[name]; old != nil && old.addr == addr.Unmap() && old.isIn(netns) {
		return nil
	}
	fd, err := unix.FcntlInt(netns.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the namespace of %s: %w", name, err)
	}
	return n.replace(&machine{
		name: name, addr: addr.Unmap(),
		table: ruleTable{netns: os.NewFile(uintptr(fd), netns.Name())},
	})
}

// replace puts a machine in the place of the one that had its name. What bites where may change for all.
func (n *Net) replace(m *machine) error {
	errs := []error{n.gather()}
	old := n.machines[m.name]
	n.machines[m.name] = m
	errs = append(errs, n.write())
	if old != nil {
		errs = append(errs, old.close())
	}
	return errors.Join(errs...)
}

// Set puts links into a condition, in place of the one that they had. Counting begins anew for them. After an error the condition
// may hold in part, until it is cleared.
func (n *Net) Set(c Condition, links ...Link) error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("condition of %v: %w", links, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range links {
		if _, _, err := n.place(l); err != nil {
			return err
		}
	}
	gathered := n.gather()
	for _, l := range links {
		n.links[l] = &link{condition: c}
	}
	if err := errors.Join(gathered, n.write()); err != nil || !c.Reset {
		return err
	}
	return n.sever(links)
}

// sever ends the connections of links.
func (n *Net) sever(links []Link) error {
	for _, l := range links {
		m, peer, err := n.place(l)
		if err != nil {
			return err
		}
		count, err := sever(m.table.netns, peer)
		n.links[l].bitten.Connections += count
		if err != nil {
			return fmt.Errorf("reset %s: %w", l, err)
		}
	}
	return nil
}

// Clear makes links good again. What was done to them can still be asked for.
func (n *Net) Clear(links ...Link) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	gathered := n.gather()
	for _, l := range links {
		if known := n.links[l]; known != nil {
			known.condition = Condition{}
		}
	}
	return errors.Join(gathered, n.write())
}

// ClearAll makes all links good again.
func (n *Net) ClearAll() error {
	var links []Link
	n.mu.Lock()
	for l := range n.links {
		links = append(links, l)
	}
	n.mu.Unlock()
	return n.Clear(links...)
}

// Bit is what the condition of a link has done since it was set, also after it was cleared.
func (n *Net) Bit(from, to string) (Count, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.links[Link{from, to}]
	if known == nil {
		return Count{}, fmt.Errorf("%s has had no condition", Link{from, to})
	}
	total := known.bitten
	for _, m := range n.machines {
		counts, err := n.counts(m)
		if err != nil {
			return Count{}, err
		}
		total = total.plus(counts[Link{from, to}])
	}
	return total, nil
}

// Close makes all links good, and leaves nothing behind.
func (n *Net) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for _, m := range n.machines {
		errs = append(errs, m.close())
	}
	clear(n.machines)
	clear(n.links)
	return errors.Join(errs...)
}

// place finds where the packets of a link are caught, and the address that they come from or go to there.
func (n *Net) place(l Link) (*machine, netip.Addr, error) {
	from, to := n.machines[l.From], n.machines[l.To]
	switch {
	case l.From == l.To:
		return nil, netip.Addr{}, fmt.Errorf("%s is no link", l)
	case from == nil || to == nil:
		return nil, netip.Addr{}, fmt.Errorf("one of the ends of %s is not known", l)
	case to.isNode():
		return to, from.addr, nil
	case from.isNode():
		return from, to.addr, nil
	}
	return nil, netip.Addr{}, fmt.Errorf("neither end of %s is a node", l)
}

// way is a link by its addresses.
func (n *Net) way(l Link) way {
	return way{from: n.machines[l.From].addr, to: n.machines[l.To].addr}
}

// counts are what was done in the namespace of a machine since its rules were written.
func (n *Net) counts(m *machine) (map[Link]Count, error) {
	byText, byWay, err := m.counts()
	if err != nil {
		return nil, err
	}
	counts := make(map[Link]Count, len(n.links))
	for l := range n.links {
		counts[l] = byText[l.String()].plus(byWay[n.way(l)])
	}
	return counts, nil
}

// gather adds what was counted to the links, before rules are written that count from 0. What can not be read is missing then, and
// is no reason to leave rules as they are.
func (n *Net) gather() error {
	var errs []error
	for _, m := range n.machines {
		counts, err := n.counts(m)
		errs = append(errs, err)
		for l, c := range counts {
			n.links[l].bitten = n.links[l].bitten.plus(c)
		}
	}
	return errors.Join(errs...)
}

// write brings about everywhere what should be.
func (n *Net) write() error {
	rules := map[*machine][]rule{}
	lanes := map[*machine]map[way]Condition{}
	for l, known := range n.links {
		if known.condition == (Condition{}) {
			continue
		}
		m, peer, err := n.place(l)
		if err != nil {
			return err
		}
		for _, what := range known.condition.effects() {
			rules[m] = append(rules[m], rule{link: l, peer: peer, leaving: m.name == l.From, what: what})
		}
		if known.condition.shaped() {
			if lanes[m] == nil {
				lanes[m] = map[way]Condition{}
			}
			lanes[m][n.way(l)] = known.condition
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(n.machines)) {
		m := n.machines[name]
		errs = append(errs, m.write(rules[m], lanes[m]))
	}
	return errors.Join(errs...)
}
