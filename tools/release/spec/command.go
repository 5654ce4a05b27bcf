package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Platform is a pair of GOOS and GOARCH.
type Platform struct{ OS, Arch string }

func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Dash is the platform in the name of a file.
func (p Platform) Dash() string { return p.OS + "-" + p.Arch }

// Binary is the file name of a program there.
func (p Platform) Binary(program string) string {
	if p.OS == "windows" {
		return program + ".exe"
	}
	return program
}

// Build is one run of the compiler.
type Build struct {
	Platform Platform
	Programs []Program
	Debug    bool   // with symbols and DWARF
	Jobs     int    // how many actions at once; 0 leaves that to Go
	Out      string // directory of the binaries
}

// Environment are the variables that the bytes depend on, NAME=value, sorted.
func (r *Release) Environment(p Platform) []string {
	env := maps.Clone(r.Table.Environment)
	env["GOOS"], env["GOARCH"] = p.OS, p.Arch
	env["GOTOOLCHAIN"] = r.Go
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// Args are the arguments of the go command, to be run in Root with go.work in force: outside of the workspace the build
// information is another one, and so are the bytes.
func (r *Release) Args(b Build) []string {
	ldflags := r.Ldflags
	if b.Debug {
		ldflags = r.DebugLdflags
	}
	stamps := strings.NewReplacer("{commit}", r.Commit, "{version}", r.Version)
	args := append([]string{"build"}, r.Flags...)
	if b.Jobs > 0 {
		args = append(args, fmt.Sprintf("-p=%d", b.Jobs))
	}
	args = append(args, "-ldflags="+stamps.Replace(strings.Join(ldflags, " ")), "-o", b.Out)
	for _, p := range b.Programs {
		args = append(args, p.Package)
	}
	return args
}

// Shell writes the canonical command as a line for a shell.
func (r *Release) Shell(b Build) string {
	words := append(r.Environment(b.Platform), "go")
	for _, arg := range r.Args(b) {
		if strings.ContainsAny(arg, " $") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}
