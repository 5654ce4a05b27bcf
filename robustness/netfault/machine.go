package netfault

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
)

// machine is one end of links.
type machine struct {
	name string
	addr netip.Addr
	// table is that of its namespace, which one that is outside does not have.
	table ruleTable
	// queue is there once a packet had to wait here. It stays, since what is in it would be lost.
	queue *queue
}

func (m *machine) isNode() bool { return m.table.netns != nil }

// isIn tells whether a file is that of its namespace.
func (m *machine) isIn(netns *os.File) bool {
	if !m.isNode() {
		return false
	}
	ours, err := m.table.netns.Stat()
	if err != nil {
		return false
	}
	theirs, err := netns.Stat()
	return err == nil && os.SameFile(ours, theirs)
}

// write brings about what happens in its namespace. The queue comes first, so that no packet gets past it.
func (m *machine) write(rules []rule, lanes map[way]Condition) error {
	if !m.isNode() {
		return nil
	}
	if m.queue == nil && len(lanes) > 0 {
		q, err := openQueue(m.table.netns)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		m.queue = q
	}
	if m.queue != nil {
		m.queue.shape(lanes)
	}
	if err := m.table.write(rules); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}

// counts are what the rules have counted since they were written, by the texts of their links, and the queue, by addresses.
func (m *machine) counts() (map[string]Count, map[way]Count, error) {
	if !m.isNode() {
		return nil, nil, nil
	}
	byText, err := m.table.counts()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.name, err)
	}
	if m.queue == nil {
		return byText, nil, nil
	}
	byWay, err := m.queue.counts()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.name, err)
	}
	return byText, byWay, nil
}

// close takes back what was done in its namespace, and forgets that.
func (m *machine) close() error {
	if !m.isNode() {
		return nil
	}
	var errs []error
	if m.queue != nil {
		errs = append(errs, m.queue.close())
	}
	errs = append(errs, m.table.delete(), m.table.netns.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}
