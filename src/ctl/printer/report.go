package printer

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"quoin.dev/ctl/diagnosis"
	"quoin.dev/pkg/human"
)

func (n none) Report(diagnosis.Report) error { return n.refuse() }

var reportHeader = []string{"name", "id", "endpoint", "role", "version", "db size", "in use", "quota", "lag", "latency", "alarms", "errors"}

// reportRows leave empty what a member that does not answer has not told.
func reportRows(r diagnosis.Report) [][]string {
	var rows [][]string
	for _, m := range r.Members {
		row := []string{m.Listed.GetName(), id(m.Listed.GetID()), m.Endpoint, m.Role}
		if s := m.Status; s != nil {
			row = append(row, s.Version, human.Bytes(uint64(s.DbSize)), human.Bytes(uint64(s.DbSizeInUse)), human.Bytes(uint64(s.DbSizeQuota)),
				fmt.Sprint(m.Lag), m.Took.Round(10*time.Microsecond).String())
		} else {
			row = append(row, "", "", "", "", "", "")
		}
		rows = append(rows, append(row, strings.Join(m.Alarms, ","), strings.Join(reportErrors(m), "; ")))
	}
	return rows
}

func reportErrors(m diagnosis.Line) []string {
	if m.Status == nil && m.Trouble != "" {
		return []string{m.Trouble}
	}
	return m.Status.GetErrors()
}

// Report begins with the verdict in one line.
func (s *simple) Report(r diagnosis.Report) error {
	fmt.Fprintln(s.out, r.Summary())
	for _, reason := range r.Reasons {
		fmt.Fprintf(s.out, "  %s\n", reason)
	}
	if len(r.Members) == 0 {
		return s.out.Flush()
	}
	s.out.WriteByte('\n')
	columns := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{reportHeader}, reportRows(r)...) {
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	return s.out.Flush()
}

func (t *table) Report(r diagnosis.Report) error {
	fmt.Fprintln(t.out, r.Summary())
	for _, reason := range r.Reasons {
		fmt.Fprintf(t.out, "  %s\n", reason)
	}
	if len(r.Members) == 0 {
		return t.out.Flush()
	}
	return t.draw(reportHeader, reportRows(r))
}

// reportDocument is a report for programs. Ids are in hexadecimal, as the commands take them.
type reportDocument struct {
	Verdict string           `json:"verdict"`
	Voters  int              `json:"voters"`
	Working int              `json:"working"`
	Quorum  int              `json:"quorum"`
	MayFail int              `json:"may_fail"`
	Leader  string           `json:"leader"`
	Reasons []string         `json:"reasons"`
	Members []memberDocument `json:"members"`
}

type memberDocument struct {
	Name           string   `json:"name"`
	ID             string   `json:"id"`
	Endpoint       string   `json:"endpoint"`
	Role           string   `json:"role"`
	Answers        bool     `json:"answers"`
	Version        string   `json:"version"`
	StorageVersion string   `json:"storage_version"`
	DBSize         int64    `json:"db_size"`
	DBSizeInUse    int64    `json:"db_size_in_use"`
	DBSizeQuota    int64    `json:"db_size_quota"`
	RaftTerm       uint64   `json:"raft_term"`
	AppliedIndex   uint64   `json:"raft_applied_index"`
	Lag            uint64   `json:"lag"`
	LatencySeconds float64  `json:"latency_seconds"`
	Alarms         []string `json:"alarms"`
	Errors         []string `json:"errors"`
}

func (j *jsonFormat) Report(r diagnosis.Report) error {
	d := reportDocument{
		Verdict: r.Verdict.String(), Voters: r.Voters, Working: r.Working, Quorum: r.Quorum, MayFail: r.MayFail, Leader: id(r.Leader),
		Reasons: orEmpty(r.Reasons), Members: []memberDocument{},
	}
	for _, m := range r.Members {
		s := m.Status // whose getters are zero where there is none
		d.Members = append(d.Members, memberDocument{
			Name: m.Listed.GetName(), ID: id(m.Listed.GetID()), Endpoint: m.Endpoint, Role: m.Role, Answers: s != nil,
			Version: s.GetVersion(), StorageVersion: s.GetStorageVersion(),
			DBSize: s.GetDbSize(), DBSizeInUse: s.GetDbSizeInUse(), DBSizeQuota: s.GetDbSizeQuota(),
			RaftTerm: s.GetRaftTerm(), AppliedIndex: s.GetRaftAppliedIndex(), Lag: m.Lag, LatencySeconds: m.Took.Seconds(),
			Alarms: orEmpty(m.Alarms), Errors: orEmpty(reportErrors(m)),
		})
	}
	return j.document(d)
}

// orEmpty makes lists that are empty look so, and not like null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
