package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"quoin.dev/quoin/robustness/fault"
	"quoin.dev/quoin/robustness/scenario"
)

func listCommand() *cobra.Command {
	var asJSON, guards bool
	c := &cobra.Command{
		Use: "list", Short: "List the scenarios", Args: cobra.NoArgs,
		Long: "Lists the scenarios. Those with a * are in the profile of continuous integration.",
		RunE: func(c *cobra.Command, _ []string) error {
			if asJSON {
				return listJSON(c.OutOrStdout())
			}
			return list(c.OutOrStdout(), guards)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVar(&guards, "guards", false, "with the faults of etcd's history that would show")
	return c
}

func list(w io.Writer, guards bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range scenario.All() {
		mark, more := " ", s.What
		if s.Quick {
			mark = "*"
		}
		if guards {
			more += "\t" + strings.Join(s.Guards, ", ")
		}
		fmt.Fprintf(table, "%s %s\t%s\n", mark, s.Name, more)
	}
	return table.Flush()
}

// listed is a scenario as JSON.
type listed struct {
	Name     string   `json:"name"`
	What     string   `json:"what"`
	Guards   []string `json:"guards,omitempty"`
	Members  []string `json:"members"`
	Load     []string `json:"load"`
	Duration string   `json:"duration"`
	Quick    bool     `json:"quick"`
}

func listJSON(w io.Writer) error {
	var all []listed
	for _, s := range scenario.All() {
		all = append(all, listed{s.Name, s.What, s.Guards, s.Members, s.Load, s.Duration.String(), s.Quick})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

func faultsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "faults", Short: "List the kinds of faults", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			table := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, k := range fault.Kinds() {
				usual := ""
				if k.Unit != "" {
					usual = fmt.Sprintf(" (usually %d %s)", k.Usual, k.Unit)
				}
				fmt.Fprintf(table, "%s\t%s%s\n", k.Name, k.What, usual)
			}
			return table.Flush()
		},
	}
}
