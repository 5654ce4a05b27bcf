package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"quoin.dev/client"
	"quoin.dev/quoin/robustness/clockfault"
	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/diskfault"
	"quoin.dev/quoin/robustness/fault"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/workload"
)

const (
	// buildTimeout bounds how long the programs may take to build, with an empty cache and a changed standard library.
	buildTimeout = 15 * time.Minute
	// startTimeout bounds the start of a cluster, containers and images included.
	startTimeout = 3 * time.Minute
	// calmTimeout bounds how long a cluster may take to be well again when all faults are healed.
	calmTimeout = 60 * time.Second
)

// run is one scenario that is played.
type run struct {
	o        Options
	progress *progress
	begin    time.Time // of the load
	host     node.Host
	world    *fault.World
	disks    []*diskfault.Disk
	record   *history.Record
	recorder *workload.Recorder
	keep     bool
}

// now is the clock of the run.
func (r *run) now() time.Duration { return time.Since(r.begin) }

// prepare starts the cluster. What it returns has to be closed, with an error, too.
func prepare(ctx context.Context, o Options, p *progress) (*run, error) {
	r := &run{o: o, progress: p}
	r.world = &fault.World{Now: r.now, Disks: map[string]*diskfault.Disk{}, Clocks: map[string]*clockfault.Clock{}}
	r.record = &history.Record{Scenario: o.Scenario.Name, Seed: o.Plan.Seed}
	r.recorder = workload.NewRecorder()
	p.status("building the programs")
	building, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	programs, err := r.programs(building)
	if err != nil {
		return r, err
	}
	ctx, cancel = context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if r.host, err = openHost(ctx, o.Host); err != nil {
		return r, err
	}
	r.record.Host = r.host.Name()
	p.line("%s on %s, seed %d: %s", o.Scenario.Name, r.host.Name(), o.Plan.Seed, o.Scenario.What)
	if err := r.assemble(ctx, programs); err != nil {
		return r, err
	}
	p.status("starting %d members", len(programs))
	if err := r.world.Cluster.Start(ctx); err != nil {
		return r, err
	}
	for _, m := range r.world.Cluster.Members() {
		r.joined(m, false)
	}
	return r, nil
}

// joined writes a member down that takes part.
func (r *run) joined(m *cluster.Member, learner bool) {
	log, err := filepath.Rel(r.o.Dir, m.LogFile)
	if err != nil {
		log = m.LogFile
	}
	r.record.Members = append(r.record.Members, history.Member{
		Name: m.Name, Program: m.Program().Name, Learner: learner, Address: m.Node().Addr().String(), LogFile: log,
	})
}

// play loads the cluster, does the harm, and writes down how it all ended.
func (r *run) play(ctx context.Context) error {
	load, err := r.startLoad(ctx)
	if err != nil {
		return err
	}
	monitor := startMonitor(r.world.Cluster, r.world.Access, r.now)
	p := &player{world: r.world, plan: r.o.Plan, start: r.now(), say: r.progress.line}
	stopTelling := r.tell(load, monitor, p)
	faults, spoiled := p.play(ctx)
	r.record.Faults = faults
	p.wait(ctx, p.start+time.Duration(r.o.Plan.Duration))
	stopTelling()

	r.progress.status("waiting until all members are well")
	if err := r.calm(ctx); err != nil {
		r.progress.line("%v", err) // what is wrong is for the checks to say
	}
	load.Stop()
	r.record.Loaded = load.Loaded()
	r.record.Ends = r.ends(ctx)
	r.record.States = monitor.stop()
	r.record.Operations, r.record.Watches = r.recorder.Operations(), r.recorder.Watches()
	r.stopMembers(ctx)
	r.record.Processes = r.processes()
	r.record.Duration = r.now()
	r.progress.line("%d operations, %d watches, %d faults in %s", len(r.record.Operations), len(r.record.Watches), len(faults), r.record.Duration.Round(time.Second))
	return spoiled
}

// root is the user that the lab itself is, with authentication.
var root = cluster.Access{User: "root", Password: "root-secret"}

// startLoad begins the time of the run, and starts the clients.
func (r *run) startLoad(ctx context.Context) (*workload.Workload, error) {
	var kinds []workload.Kind
	for _, name := range r.o.Scenario.Load {
		k, err := workload.Find(name)
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, k)
	}
	o := workload.Options{Seed: r.o.Plan.Seed, Clock: r.now, Recorder: r.recorder}
	r.begin = time.Now()
	r.record.Started = r.begin
	if r.o.Scenario.TLS {
		o.TLS = r.world.Cluster.TLSConfig
	}
	for _, m := range r.world.Cluster.Members() {
		o.Targets = append(o.Targets, target(m))
	}
	if r.o.Scenario.Auth {
		o.User, o.Password = root.User, root.Password
		if err := workload.SetupAuth(ctx, o, workload.Auth{}); err != nil {
			return nil, err
		}
		r.world.Access = root
		r.world.Cluster.Speak(root)
	}
	load := workload.Start(ctx, o, kinds...)
	r.world.Joined = func(m *cluster.Member) {
		r.joined(m, true)
		load.AddTarget(target(m))
	}
	r.world.Left = func(m *cluster.Member) { load.RemoveTarget(m.Name) }
	return load, nil
}

func target(m *cluster.Member) workload.Target {
	_, address, _ := strings.Cut(m.ClientURL, "://")
	return workload.Target{Name: m.Name, Endpoint: address}
}

// stopMembers lets all of them write down what they have.
func (r *run) stopMembers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, calmTimeout)
	defer cancel()
	for _, m := range r.world.Cluster.Members() {
		if _, err := m.Stop(ctx); err != nil {
			r.progress.line("%s: %v", m.Name, err)
		}
	}
}

// processes are all that the members have had.
func (r *run) processes() (all []history.Process) {
	for _, m := range slices.Concat(r.world.Cluster.Members(), r.world.Cluster.Former()) {
		for _, life := range m.Lives() {
			p := history.Process{
				Member: m.Name, Started: life.Started.Sub(r.begin), Stopped: life.Stopped, Killed: life.Killed, ExitCode: life.ExitCode, LogFrom: life.LogFrom,
			}
			if !life.Ended.IsZero() {
				p.Ended = life.Ended.Sub(r.begin)
			}
			all = append(all, p)
		}
	}
	return all
}

// tell says once a second how things are, until the function that it returns is called.
func (r *run) tell(load *workload.Workload, m *monitor, p *player) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for before := int64(0); ; {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			acknowledged := load.Acknowledged()
			r.progress.status("%s  %5d acknowledged/s  %7d in all %s", m.roles(), acknowledged-before, acknowledged, p.now())
			before = acknowledged
		}
	}()
	return func() { cancel(); <-done }
}

// calm starts members that have ended, and waits until all of them are ready and answer: one whose process went on may hang.
func (r *run) calm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, calmTimeout)
	defer cancel()
	for _, m := range r.world.Cluster.Members() {
		if !m.Running() {
			if err := m.Launch(ctx); err != nil {
				return err
			}
		}
	}
	for _, m := range r.world.Cluster.Members() {
		if err := m.WaitReady(ctx); err != nil {
			return fmt.Errorf("%s is not well again: %w", m.Name, err)
		}
	}
	for _, m := range r.world.Cluster.Members() {
		if err := r.answers(ctx, m); err != nil {
			return fmt.Errorf("%s does not answer again: %w", m.Name, err)
		}
	}
	return nil
}

// answers waits until a member answers a read that the others have a part in.
func (r *run) answers(ctx context.Context, m *cluster.Member) error {
	return r.ask(m, func(c *client.Client) error {
		for {
			err := probe(ctx, c)
			if err == nil || ctx.Err() != nil {
				return err
			}
			select {
			case <-time.After(probeEvery):
			case <-ctx.Done():
			}
		}
	})
}

// close removes what the run has made.
func (r *run) close() {
	if r.world.Cluster != nil {
		r.world.Cluster.Close()
	}
	for _, d := range r.disks {
		if err := d.Unmount(); err != nil {
			r.progress.line("a disk could not be taken away: %v", err)
		}
	}
	if r.host != nil {
		if err := r.host.Close(); err != nil {
			r.progress.line("%s: %v", r.host.Name(), err)
		}
	}
	if !r.keep && r.world.Cluster != nil {
		for _, m := range slices.Concat(r.world.Cluster.Members(), r.world.Cluster.Former()) {
			_ = os.RemoveAll(m.DataDir())
		}
	}
}
