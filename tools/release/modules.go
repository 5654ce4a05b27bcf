package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"quoin.dev/quoin/tools/internal/workspace"
	"quoin.dev/quoin/tools/release/tags"
)

func modulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "modules",
		Short: "Releases all Go modules together, and keeps them in step",
	}
	cmd.AddCommand(updateVersionsCommand(), pushTagsCommand(), checkModulesCommand(), fixModulesCommand())
	return cmd
}

func updateVersionsCommand() *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "update-versions --version X",
		Short: "Makes every module require the others at one version",
		Long: `Sets the version that the modules require of each other in every go.mod, in go.work, and as the version of the product.
Commit the result, then run push-tags.`,
		Example: "  go run ./tools/release modules update-versions --version 0.2.0",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := workspace.Load(".")
			if err != nil {
				return err
			}
			changed, err := w.UpdateVersions("v" + strings.TrimPrefix(version, "v"))
			if err != nil {
				return err
			}
			for _, name := range changed {
				printer(cmd)("changed " + name)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "the version, as 0.2.0 or v0.2.0")
	_ = cmd.MarkFlagRequired("version")
	return cmd
}

func pushTagsCommand() *cobra.Command {
	var o tags.Options
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "push-tags",
		Short: "Signs and pushes one tag for each module",
		Long: `Tags HEAD with the version that the modules require of each other, once for every module (src/api/v0.2.0), signed by
git's own means (user.signingkey, gpg.format), and pushes all tags at once or none. Only --dry-run=false does it.`,
		Example: `  go run ./tools/release modules push-tags
  go run ./tools/release modules push-tags --dry-run=false --remote origin`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := workspace.Load(".")
			if err != nil {
				return err
			}
			o.Push, o.Out = !dryRun, cmd.OutOrStdout()
			return tags.Push(cmd.Context(), w, o)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", true, "only say what would be done")
	cmd.Flags().StringVar(&o.Remote, "remote", "origin", "where the tags are pushed to")
	cmd.Flags().StringVar(&o.Key, "key", "", "key to sign with, as git tag --local-user takes it (default: git's setting)")
	return cmd
}

func checkModulesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Proves that the modules fit together",
		Long: `Proves: one version of each dependency that modules share, and a released one; one version of our own modules; no replace
in a go.mod; every module in go.work; and nothing that go mod tidy would change.`,
		Example: "  go run ./tools/release modules check",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := workspace.Load(".")
			if err != nil {
				return err
			}
			if err := errors.Join(w.Check(), w.Tidy(true)); err != nil {
				return err
			}
			version, err := w.Version()
			if err != nil {
				return err
			}
			printer(cmd)(fmt.Sprintf("%d modules fit together at %s", len(w.Modules), version))
			return nil
		},
	}
}

// fixes are the commands that bring a tree into the state that check wants, in this order.
var fixes = [][]string{
	{"go", "run", "./tools/protogen"},
	{"go", "run", "./tools/tidy"},
	{"go", "run", "./tools/buildfiles"},
	{"go", "test", "./tools/policy", "-run", "TestDependencyLists", "-update"},
}

func fixModulesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "fix",
		Short:   "Formats, generates and tidies over all modules",
		Long:    "Runs over all modules: the generators, go mod tidy with one version of each dependency, the BUILD files, the lists of linked modules, gofmt.",
		Example: "  go run ./tools/release modules fix",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := exec.CommandContext(cmd.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.go").Output()
			if err != nil {
				return fmt.Errorf("git ls-files: %w", err)
			}
			format := append([]string{"gofmt", "-w"}, strings.Fields(string(files))...)
			for _, step := range append(fixes, format) {
				printer(cmd)(strings.Join(step[:min(len(step), 4)], " "))
				run := exec.CommandContext(cmd.Context(), step[0], step[1:]...)
				if out, err := run.CombinedOutput(); err != nil {
					return fmt.Errorf("%s: %w\n%s", strings.Join(step[:min(len(step), 4)], " "), err, bytes.TrimSpace(out))
				}
			}
			return nil
		},
	}
}
