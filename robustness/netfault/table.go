package netfault

import (
	"fmt"
	"os"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
)

// kernelTimeout is for one exchange with the kernel, which does not take milliseconds.
const kernelTimeout = 10 * time.Second

func deadline() time.Time { return time.Now().Add(kernelTimeout) }

// ruleTable is the table of nftables in one namespace.
type ruleTable struct {
	netns *os.File
	// written tells whether it is there. It stays until it is deleted: the kernel drops all packets in the queue of a namespace
	// when a chain goes.
	written bool
}

var (
	labTable = &nftables.Table{Name: "quoin_lab", Family: nftables.TableFamilyIPv4}
	arriving = &nftables.Chain{
		Name: "arriving", Table: labTable,
		Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityRaw,
	}
	leaving = &nftables.Chain{
		Name: "leaving", Table: labTable,
		Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityRaw,
	}
)

func (t *ruleTable) conn() (*nftables.Conn, error) {
	conn, err := nftables.New(nftables.WithNetNSFd(int(t.netns.Fd())),
		nftables.WithSockOptions(func(c *netlink.Conn) error { return c.SetDeadline(deadline()) }))
	if err != nil {
		return nil, fmt.Errorf("nftables of a namespace: %w", err)
	}
	return conn, nil
}

// write replaces all rules at once. Their counters begin at 0.
func (t *ruleTable) write(rules []rule) error {
	if !t.written && len(rules) == 0 {
		return nil
	}
	conn, err := t.conn()
	if err != nil {
		return err
	}
	conn.AddTable(labTable)
	conn.FlushTable(labTable)
	conn.AddChain(arriving)
	conn.AddChain(leaving)
	for _, r := range rules {
		chain := arriving
		if r.leaving {
			chain = leaving
		}
		conn.AddRule(&nftables.Rule{
			Table: labTable, Chain: chain, Exprs: r.expressions(),
			UserData: userdata.AppendString(nil, userdata.TypeComment, r.link.String()),
		})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("write %d rules: %w", len(rules), err)
	}
	t.written = true
	return nil
}

// counts are those of all rules since they were written, by the text of their links.
func (t *ruleTable) counts() (map[string]Count, error) {
	counts := map[string]Count{}
	if !t.written {
		return counts, nil
	}
	conn, err := t.conn()
	if err != nil {
		return nil, err
	}
	for _, chain := range []*nftables.Chain{arriving, leaving} {
		rules, err := conn.GetRules(labTable, chain)
		if err != nil {
			return nil, fmt.Errorf("read the counters of rules: %w", err)
		}
		for _, r := range rules {
			link, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			for _, e := range r.Exprs {
				if c, ok := e.(*expr.Counter); ok {
					counts[link] = counts[link].plus(Count{Packets: c.Packets, Bytes: c.Bytes})
				}
			}
		}
	}
	return counts, nil
}

// delete removes the table.
func (t *ruleTable) delete() error {
	if !t.written {
		return nil
	}
	conn, err := t.conn()
	if err != nil {
		return err
	}
	conn.DelTable(labTable)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("delete the rules: %w", err)
	}
	t.written = false
	return nil
}
