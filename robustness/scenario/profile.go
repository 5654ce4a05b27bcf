package scenario

import "math/rand/v2"

// Job is a run to do.
type Job struct {
	Scenario Scenario
	Seed     uint64
}

// fixedSeed is that of runs which are the same each time.
const fixedSeed = 1

// Profile is what continuous integration runs: every scenario that is quick, half of them with a fixed seed, half with one that is
// drawn from fresh.
func Profile(fresh uint64) (jobs []Job) {
	random := rand.New(rand.NewPCG(fresh, 0))
	for _, s := range All() {
		if !s.Quick {
			continue
		}
		seed := uint64(fixedSeed)
		if len(jobs)%2 == 1 {
			seed = random.Uint64N(maxSeed)
		}
		jobs = append(jobs, Job{s, seed})
	}
	return jobs
}

// maxSeed keeps seeds short enough to be read out.
const maxSeed = 1_000_000

// FreshSeed is one that was not drawn before, as far as can be.
func FreshSeed() uint64 { return 1 + rand.Uint64N(maxSeed) }
