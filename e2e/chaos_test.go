package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
)

var _ = Describe("three members under random faults", func() {
	// etcd#13766, etcd#13933, etcd#18055, etcd#20418, etcd#21375, etcd#8335
	It("lose nothing, repeat nothing and never answer with the past", func() {
		duration, err := time.ParseDuration(variable("QUOIN_E2E_CHAOS", "12s"))
		Expect(err).NotTo(HaveOccurred())
		seed, err := strconv.ParseUint(variable("QUOIN_E2E_SEED", fmt.Sprint(GinkgoRandomSeed())), 10, 64)
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("seed", seed)
		c := start(cluster.Options{Members: 3, Flags: []string{
			"--snapshot-count=50", "--snapshot-catchup-entries=10", "--max-wals=2", "--max-snapshots=2",
		}})
		f := &faults{c: c, random: rand.New(rand.NewPCG(seed, 0)), done: map[string]int{}}
		h := startHistory(c, 8, 4)
		for end := time.Now().Add(duration); time.Now().Before(end); {
			f.round()
			goal := h.writes.Load() + 20
			Eventually(h.writes.Load, "60s", "20ms").Should(BeNumerically(">=", goal), "no progress after %v", f.done)
		}
		h.stop()
		ctx := within(time.Minute)
		for _, m := range c.Members {
			h.verify(ctx, connect(c, m))
		}
		expectEqualHashes(ctx, c)
		for _, m := range c.Members {
			Expect(faultsIn(m)).To(BeEmpty(), "in the log of %s", m.Name)
		}
		AddReportEntry("outcome", h.String(), ReportEntryVisibilityAlways)
		AddReportEntry("faults", fmt.Sprintf("seed %d: %v; the slowest stop took %s", seed, f.done, f.slowestStop), ReportEntryVisibilityAlways)
	})
})

// variable is an environment variable, or what it stands for when it is not set.
func variable(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// faults does harm to members, one round after the other. At the end of a round all members are well.
type faults struct {
	c      *cluster.Cluster
	random *rand.Rand

	mu          sync.Mutex // guards what follows
	done        map[string]int
	slowestStop time.Duration
}

// round harms one to three members at about the same time: without a quorum for a moment is allowed.
func (f *faults) round() {
	victims := f.random.Perm(len(f.c.Members))[:1+f.random.IntN(2)+f.random.IntN(2)]
	if f.random.IntN(2) == 0 {
		for i, m := range f.c.Members {
			if m == leaderOf(within(time.Minute), f.c) {
				victims[0] = i // the leader is the more interesting victim
			}
		}
	}
	var harming sync.WaitGroup
	harmed := map[int]bool{}
	for _, v := range victims {
		if harmed[v] {
			continue
		}
		harmed[v] = true
		kind := f.random.IntN(len(harms))
		before, away := f.moment(300), f.moment(3000)
		harming.Go(func() {
			defer GinkgoRecover()
			<-time.After(before)
			harms[kind](f, f.c.Members[v], away)
		})
	}
	harming.Wait()
	<-time.After(f.moment(1000))
}

func (f *faults) moment(maxMilliseconds int) time.Duration {
	return time.Duration(f.random.IntN(maxMilliseconds)) * time.Millisecond
}

func (f *faults) count(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done[kind]++
}

// harms end with the member ready again.
var harms = []func(*faults, *cluster.Member, time.Duration){
	func(f *faults, m *cluster.Member, away time.Duration) {
		f.count("kill")
		Expect(m.Kill()).To(Succeed())
		<-time.After(away)
		Expect(m.Start()).To(Succeed())
	},
	func(f *faults, m *cluster.Member, away time.Duration) {
		f.count("kill twice")
		Expect(m.Kill()).To(Succeed())
		Expect(m.Launch()).To(Succeed())
		<-time.After(away / 10) // in the middle of its start, or soon after
		Expect(m.Kill()).To(Succeed())
		Expect(m.Start()).To(Succeed())
	},
	func(f *faults, m *cluster.Member, away time.Duration) {
		f.count("stop")
		start := time.Now()
		Expect(m.Stop()).To(Succeed())
		took := time.Since(start)
		f.mu.Lock()
		f.slowestStop = max(f.slowestStop, took)
		f.mu.Unlock()
		Expect(m.ExitCode()).To(Equal(0))
		<-time.After(away)
		Expect(m.Start()).To(Succeed())
	},
	func(f *faults, m *cluster.Member, away time.Duration) {
		f.count("pause")
		Expect(m.Pause()).To(Succeed())
		<-time.After(away + 500*time.Millisecond)
		Expect(m.Resume()).To(Succeed())
	},
}

// faultsIn returns the lines of all processes of m that a healthy member does not log.
func faultsIn(m *cluster.Member) []string {
	log, err := os.ReadFile(m.LogFile)
	Expect(err).NotTo(HaveOccurred())
	var bad []string
	for line := range strings.Lines(string(log)) {
		for _, sign := range []string{"panic", "DATA RACE", `"level":"error"`, `"level":"fatal"`, "goroutine "} {
			if strings.Contains(line, sign) {
				bad = append(bad, line)
				break
			}
		}
	}
	return bad
}
