package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"quoin.dev/quoin/robustness/clockfault"
	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/diskfault"
	"quoin.dev/quoin/robustness/mutants"
	"quoin.dev/quoin/robustness/netfault"
	"quoin.dev/quoin/robustness/scenario"
)

// versions are those of etcd by the names that scenarios use.
var versions = map[string]string{scenario.Etcd: "3.7.3", scenario.Etcd36: "3.6.4"}

// programs builds what the members run, one program for each.
func (r *run) programs(ctx context.Context) ([]cluster.Program, error) {
	names := r.o.Scenario.Members
	var programs []cluster.Program
	for i, name := range names {
		if len(r.o.Members) > 0 {
			name = r.o.Members[i%len(r.o.Members)]
		}
		p, err := r.program(ctx, name)
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}

// program builds one program by its name.
func (r *run) program(ctx context.Context, name string) (cluster.Program, error) {
	if version, ok := versions[name]; ok {
		return cluster.Etcd(ctx, version)
	}
	if name != scenario.Quoin {
		return cluster.Program{}, fmt.Errorf("there is no program %q: quoin, etcd, etcd-3.6", name)
	}
	overlay, err := r.overlay()
	if err != nil {
		return cluster.Program{}, err
	}
	p, err := cluster.Quoin(ctx, cluster.Build{Race: r.o.Build.Race, Overlay: overlay})
	if r.o.Build.Mutant != "" {
		p.Name += " with " + r.o.Build.Mutant
	}
	return p, err
}

// overlay is the file that says which sources are replaced in a build, "" for none.
func (r *run) overlay() (file string, err error) {
	if r.o.Build.Mutant != "" {
		m, err := mutants.Find(r.o.Build.Mutant)
		if err != nil {
			return "", err
		}
		dir := filepath.Join(r.o.Dir, "mutant")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		if file, err = m.Overlay(dir, nil); err != nil {
			return "", err
		}
	}
	if !r.o.Scenario.Clock {
		return file, nil
	}
	replaced, err := replacements(file)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(r.o.Dir, "clocked")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return clockfault.Overlay(dir, replaced)
}

// replacements are those that a file for `go build -overlay` names.
func replacements(file string) (map[string]string, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var overlay struct{ Replace map[string]string }
	err = json.Unmarshal(data, &overlay)
	return overlay.Replace, err
}

// assemble makes the members, with networks, disks and clocks that can fail.
func (r *run) assemble(ctx context.Context, programs []cluster.Program) error {
	r.world.Net = netfault.New()
	r.world.Program = r.program
	host := &wiredHost{Host: r.host, net: r.world.Net}
	o := cluster.Options{Host: host, Dir: r.o.Dir, Programs: programs, Flags: r.o.Scenario.Flags, TLS: r.o.Scenario.TLS}
	if r.o.Scenario.Disk {
		o.Disk = r.disk
	}
	if r.o.Scenario.Clock {
		host.clock = r.clock
		o.Dirs = append(o.Dirs, r.clocks())
	}
	var err error
	r.world.Cluster, err = cluster.New(ctx, o)
	return err
}

// disk puts a file system that can fail in front of the data of a member.
func (r *run) disk(name, backing string) (string, error) {
	mountpoint := backing + ".disk"
	if err := os.MkdirAll(mountpoint, 0o700); err != nil {
		return "", err
	}
	d, err := diskfault.Mount(diskfault.Options{Backing: backing, Mountpoint: mountpoint, OneJournal: r.o.Plan.OneJournal})
	if err != nil {
		return "", err
	}
	r.world.Disks[name] = d
	r.disks = append(r.disks, d)
	return mountpoint, nil
}

// clocks is the directory of the clocks, which members see.
func (r *run) clocks() string { return filepath.Join(r.o.Dir, "clocks") }

// clock makes the clock of a member, which shows the right time until a fault sets it.
func (r *run) clock(name string) (string, error) {
	if err := os.MkdirAll(r.clocks(), 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(r.clocks(), name)
	c, err := clockfault.Open(file)
	if err != nil {
		return "", err
	}
	r.world.Clocks[name] = c
	return file, nil
}
