package robustness_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/robustness/report"
	"quoin.dev/quoin/robustness/runner"
	"quoin.dev/quoin/robustness/scenario"
)

func TestRobustness(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "robustness")
}

// runTimeout bounds one run, builds and checks included.
const runTimeout = 20 * time.Minute

var _ = Describe("a cluster that is harmed", func() {
	for n, job := range scenario.Profile(uint64(GinkgoRandomSeed())) {
		It(job.Scenario.Name+": "+job.Scenario.What, func(ctx SpecContext) {
			host := hostOf(ctx, n)
			dir := filepath.Join(outputs(), fmt.Sprintf("%s-%d", job.Scenario.Name, job.Seed))
			record, err := runner.Run(ctx, runner.Options{
				Scenario: job.Scenario, Plan: job.Scenario.Plan(job.Seed), Host: host, Dir: dir, Progress: GinkgoWriter,
			})
			if os.Getenv("QUOIN_LAB_DIR") == "" && err == nil && !record.Failed() {
				Expect(os.RemoveAll(dir)).To(Succeed())
			}
			Expect(err).NotTo(HaveOccurred(), "seed %d", job.Seed)
			for _, v := range record.Verdicts {
				for _, f := range v.Findings {
					Fail(fmt.Sprintf("seed %d, %s: %s\nreport: %s", job.Seed, v.Check, f.Text, filepath.Join(dir, report.PageName)))
				}
			}
			for _, end := range record.Ends {
				Expect(end.DataDir).To(BeEmpty(), "the files of members are not kept when nothing was found, which checks that are made again have to know")
			}
		}, SpecTimeout(runTimeout))
	}
})

// hostOf is what the members of a run are on: every second run has the second choice, where there is one.
func hostOf(ctx context.Context, n int) string {
	if host := os.Getenv("QUOIN_LAB_HOST"); host != "" {
		return host
	}
	hosts := []string{runner.HostContainers, runner.HostNamespaces}
	first, second := hosts[n%2], hosts[1-n%2]
	if runner.CanRun(ctx, first) == nil {
		return first
	}
	if err := runner.CanRun(ctx, second); err != nil {
		Skip(fmt.Sprintf("neither containers nor namespaces can be had here: %v", runner.CanRun(ctx, runner.HostAuto)))
	}
	return second
}

// outputs is where the directories of the runs go. Those of a failed run stay; say where by QUOIN_LAB_DIR.
func outputs() string {
	return cmp.Or(os.Getenv("QUOIN_LAB_DIR"), filepath.Join(os.TempDir(), "quoin-lab"))
}
