package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"quoin.dev/quoin/tools/release/identical"
)

func identicalCommand() *cobra.Command {
	var in inputs
	var with, bazel, nix, nixRoot string
	cmd := &cobra.Command{
		Use:   "identical",
		Short: "Builds with go, Bazel and Nix, and proves that the bytes are the same",
		Long: `Has each builder compile every program for the platforms, and prints one table of SHA-256 sums. It fails at a difference
and names the first byte. Where Bazel and Nix can not reach their registries, scripts in tools/offline stand for them.`,
		Example: `  go run ./tools/release identical
  go run ./tools/release identical --platforms all
  go run ./tools/release identical --with go,nix
  go run ./tools/release identical --bazel "tools/offline/bazel.sh /var/tmp/bazel" --nix "tools/offline/nix.sh /var/tmp/nix" --nix-root /var/tmp/nix/store`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			builders, err := buildersFor(with, bazel, nix, nixRoot)
			if err != nil {
				return err
			}
			r, err := in.release()
			if err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "quoin-identical-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			rows, err := identical.Run(cmd.Context(), r, builders, dir, printer(cmd))
			if err != nil {
				return err
			}
			if err := identical.Print(cmd.OutOrStdout(), builders, rows); err != nil {
				return err
			}
			if err := identical.Check(builders, rows); err != nil {
				return err
			}
			printer(cmd)(fmt.Sprintf("%d programs of %d builders, all equal", len(rows), len(builders)))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.platforms, "platforms", "linux/amd64", platformsUsage)
	f.BoolVar(&in.allowDirty, "allow-dirty", false, allowDirtyUsage)
	f.StringVar(&with, "with", "go,bazel,nix", "builders, two or more")
	f.StringVar(&bazel, "bazel", "bazel", "command that stands for bazel")
	f.StringVar(&nix, "nix", "nix", "command that stands for nix")
	f.StringVar(&nixRoot, "nix-root", "/", "directory in which /nix/store is found, for a store elsewhere")
	return cmd
}

// buildersFor turns the flags into builders whose commands exist.
func buildersFor(with, bazel, nix, nixRoot string) ([]identical.Builder, error) {
	var builders []identical.Builder
	for _, name := range strings.Split(with, ",") {
		switch name {
		case "go":
			builders = append(builders, identical.Go{})
		case "bazel":
			words, err := commandFor(name, bazel)
			if err != nil {
				return nil, err
			}
			builders = append(builders, identical.Bazel{Command: words})
		case "nix":
			words, err := commandFor(name, nix)
			if err != nil {
				return nil, err
			}
			builders = append(builders, identical.Nix{Command: words, Root: nixRoot})
		default:
			return nil, fmt.Errorf("--with %s: there is no builder %q, only go, bazel and nix", with, name)
		}
	}
	if len(builders) < 2 {
		return nil, fmt.Errorf("--with %s: two builders are needed for a comparison", with)
	}
	return builders, nil
}

// commandFor splits the command of a builder, which must exist.
func commandFor(name, command string) ([]string, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, fmt.Errorf("--%s is empty", name)
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return nil, fmt.Errorf("%w: install it, name what stands for it with --%s (see tools/offline), or leave it out with --with", err, name)
	}
	return words, nil
}
