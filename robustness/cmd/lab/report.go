package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report"
	"quoin.dev/quoin/robustness/runner"
	"quoin.dev/quoin/robustness/scenario"
)

func reportCommand() *cobra.Command {
	var again bool
	c := &cobra.Command{
		Use: "report DIR", Short: "Write the report of a run again", Args: cobra.ExactArgs(1),
		Long: "Writes the report of a run again from what the run has recorded; with --judge, after the checks have judged it again.",
		RunE: func(c *cobra.Command, args []string) error {
			record, err := history.Read(args[0])
			if err != nil {
				return err
			}
			if again {
				found, err := scenario.Find(record.Scenario)
				if err != nil {
					return err
				}
				runner.Judge(c.Context(), found[0], args[0], record)
				if err := record.Write(args[0]); err != nil {
					return err
				}
			}
			if err := report.Write(args[0], record); err != nil {
				return err
			}
			for _, v := range record.Verdicts {
				fmt.Fprintf(c.OutOrStdout(), "%-16s %s\n", v.Check, verdictOf(v))
			}
			fmt.Fprintf(c.OutOrStdout(), "report: %s\n", filepath.Join(args[0], report.PageName))
			if record.Failed() {
				return errFound
			}
			return nil
		},
	}
	c.Flags().BoolVar(&again, "judge", false, "let the checks judge again")
	return c
}

func verdictOf(v history.Verdict) string {
	switch {
	case v.Skipped != "":
		return "skipped: " + v.Skipped
	case len(v.Findings) > 0:
		return "found: " + v.Findings[0].Text
	default:
		return "passed: " + v.Judged
	}
}

func cleanCommand() *cobra.Command {
	return &cobra.Command{
		Use: "clean", Short: "Remove what labs that were killed have left", Args: cobra.NoArgs,
		Long: "Removes containers, networks, network namespaces and mounts of labs that do not run any more.",
		RunE: func(c *cobra.Command, _ []string) error { return runner.Clean(c.Context()) },
	}
}
