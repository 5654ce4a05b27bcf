package main

import (
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/internal/trial"
)

func TestRepositoryNames(t *testing.T) {
	g := NewWithT(t)
	for path, name := range map[string]string{
		"go.uber.org/zap":                           "org_uber_go_zap",
		"github.com/HdrHistogram/hdrhistogram-go":   "com_github_hdrhistogram_hdrhistogram_go",
		"gopkg.in/warnings.v0":                      "in_gopkg_warnings_v0",
		"github.com/goreleaser/nfpm/v2":             "com_github_goreleaser_nfpm_v2",
		"golang.org/x/crypto/x509roots/fallback":    "org_golang_x_crypto_x509roots_fallback",
		"google.golang.org/genproto/googleapis/api": "org_golang_google_genproto_googleapis_api",
	} {
		g.Expect(repository(path)).To(Equal(name))
	}
}

// TestStaleFilesAreNamedAndMended: one that gazelle writes, one that is missing, and MODULE.bazel.
func TestStaleFilesAreNamedAndMended(t *testing.T) {
	g := NewWithT(t)
	t.Chdir(trial.Files(t, "../.."))
	g.Expect(run(true)).To(Succeed())
	edit := func(name, old, replacement string) {
		t.Helper()
		data, err := os.ReadFile(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(data)).To(ContainSubstring(old))
		g.Expect(os.WriteFile(name, []byte(strings.Replace(string(data), old, replacement, 1)), 0o600)).To(Succeed())
	}
	edit("src/pkg/vfs/BUILD.bazel", `"mem.go",`, "")
	edit(moduleFile, `"org_uber_go_zap",`, `"org_uber_go_zip",`)
	g.Expect(os.Remove("src/server/lease/BUILD.bazel")).To(Succeed())
	g.Expect(run(true)).To(MatchError(Equal(
		"stale: MODULE.bazel, src/pkg/vfs/BUILD.bazel, src/server/lease/BUILD.bazel; run `go run ./tools/buildfiles`")))
	g.Expect(run(false)).To(Succeed())
	g.Expect(run(true)).To(Succeed())
}
