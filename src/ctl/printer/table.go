package printer

import (
	"bufio"
	"fmt"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	pb "quoin.dev/api/etcdserverpb"
)

// table draws the lists of members and endpoints in a box, right aligned under centred headers.
type table struct {
	none
	out *bufio.Writer
}

func (t *table) MemberList(r *pb.MemberListResponse) error {
	return t.draw(memberHeader, memberRows(r))
}
func (t *table) Health(list []Health) error { return t.draw(healthHeader, healthRows(list)) }
func (t *table) Status(list []Status) error { return t.draw(statusHeader, statusRows(list)) }
func (t *table) HashKV(list []HashKV) error { return t.draw(hashHeader, hashRows(list)) }

func (t *table) draw(header []string, rows [][]string) error {
	box := tablewriter.NewTable(t.out, tablewriter.WithRowAlignment(tw.AlignRight))
	box.Header(header)
	if err := box.Bulk(rows); err != nil {
		return fmt.Errorf("fill the table: %w", err)
	}
	if err := box.Render(); err != nil {
		return fmt.Errorf("draw the table: %w", err)
	}
	return t.out.Flush()
}
