package config

import (
	"flag"
	"io"
	"net/url"
	"time"
)

// registrar declares flags on a FlagSet and remembers in which section of the help they stand.
type registrar struct {
	fs       *flag.FlagSet
	sections []section
}

type section struct {
	title string
	names []string
}

func newRegistrar() *registrar {
	fs := flag.NewFlagSet("quoin", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	return &registrar{fs: fs}
}

func (r *registrar) section(title string) { r.sections = append(r.sections, section{title: title}) }

func (r *registrar) note(name string) {
	last := &r.sections[len(r.sections)-1]
	last.names = append(last.names, name)
}

func (r *registrar) str(p *string, name, def, usage string) {
	r.fs.StringVar(p, name, def, usage)
	r.note(name)
}

func (r *registrar) bool(p *bool, name string, def bool, usage string) {
	r.fs.BoolVar(p, name, def, usage)
	r.note(name)
}

func (r *registrar) uint(p *uint, name string, def uint, usage string) {
	r.fs.UintVar(p, name, def, usage)
	r.note(name)
}

func (r *registrar) uint64(p *uint64, name string, def uint64, usage string) {
	r.fs.Uint64Var(p, name, def, usage)
	r.note(name)
}

func (r *registrar) int(p *int, name string, def int, usage string) {
	r.fs.IntVar(p, name, def, usage)
	r.note(name)
}

func (r *registrar) int64(p *int64, name string, def int64, usage string) {
	r.fs.Int64Var(p, name, def, usage)
	r.note(name)
}

func (r *registrar) duration(p *time.Duration, name string, def time.Duration, usage string) {
	r.fs.DurationVar(p, name, def, usage)
	r.note(name)
}

func (r *registrar) value(v flag.Value, name, usage string) {
	r.fs.Var(v, name, usage)
	r.note(name)
}

func (r *registrar) urls(p *[]url.URL, name, def, usage string) {
	v := urlList{urls: p, fallback: def}
	if err := v.Set(def); err != nil {
		panic("config: the default of --" + name + " is not a URL list: " + err.Error())
	}
	r.value(v, name, usage)
}

func (r *registrar) strings(p *[]string, name, usage string) {
	r.value(stringList{list: p}, name, usage)
}

func (r *registrar) uniqueStrings(p *[]string, name, def, usage string) {
	v := stringList{list: p, unique: true}
	v.Set(def) //nolint:errcheck // never fails
	r.value(v, name, usage)
}

// register declares every server flag of etcd 3.7 with its name, type and default, writing into c.
func register(c *Config) *registrar {
	r := newRegistrar()
	registerMember(r, c)
	registerCluster(r, c)
	registerSecurity(r, c)
	registerDiscovery(r, c)
	registerOperations(r, c)
	registerTuning(r, c)
	registerRetired(r, c)
	return r
}
