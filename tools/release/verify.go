package main

import (
	"github.com/spf13/cobra"

	"quoin.dev/quoin/tools/release/verify"
)

func verifyCommand() *cobra.Command {
	var o verify.Options
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Builds a release again and names the first byte that differs",
		Long: `Checks SHA256SUMS, reads from the provenance what was built, checks out that commit into a directory of its own,
builds everything again with the release tool of that commit, and compares. At a difference it names the artifact,
the member of the artifact and the byte.`,
		Example: `  go run ./tools/release verify dist
  go run ./tools/release verify --key release.pub dist
  go run ./tools/release verify --source . dist   # the tree as it is, for a trial build`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Progress = printer(cmd)
			return verify.Release(cmd.Context(), args[0], o)
		},
	}
	cmd.Flags().StringVar(&o.Repository, "repository", ".", "clone that holds the commit")
	cmd.Flags().StringVar(&o.Source, "source", "", "build from this tree as it is instead of from a checkout of the commit")
	cmd.Flags().StringVar(&o.Key, "key", "", "public key (PEM) that must have signed SHA256SUMS")
	cmd.Flags().IntVar(&o.Jobs, "jobs", 0, "how many compilers run at once (default: as Go likes)")
	return cmd
}

func compareCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compare DIR DIR",
		Short: "Compares two builds of a release and names the first byte that differs",
		Example: `  go run ./tools/release compare dist dist-of-another-machine
  go run ./tools/release compare dist /mnt/download/0.1.0`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return verify.Compare(args[0], args[1], printer(cmd))
		},
	}
}
