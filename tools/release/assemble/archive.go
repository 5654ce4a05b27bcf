package assemble

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"strings"

	"golang.org/x/mod/modfile"

	ctl "quoin.dev/ctl/command"
	"quoin.dev/server/config"
	utl "quoin.dev/utl/command"

	"quoin.dev/quoin/tools/release/archive"
	"quoin.dev/quoin/tools/release/compile"
	"quoin.dev/quoin/tools/release/sbom"
	"quoin.dev/quoin/tools/release/spec"
)

// shells are those that the command line can write completions for, and where a user looks for the file.
var shells = map[string]string{"bash": "bash/%s", "zsh": "zsh/_%s", "fish": "fish/%s.fish", "powershell": "powershell/%s.ps1"}

// commandLines are the programs, under both of their names, and how to ask one for its completion in this process.
var commandLines = []struct {
	names []string
	run   func(name string, args []string, stdout, stderr io.Writer) int
}{
	{[]string{"quoin", "etcd"}, func(name string, args []string, stdout, stderr io.Writer) int {
		if err := config.WriteCompletion(stdout, name, args[1]); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}},
	{[]string{"quoinctl", "etcdctl"}, func(name string, args []string, stdout, stderr io.Writer) int {
		return ctl.Run(context.Background(), ctl.Process{Name: name, Args: args, Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr})
	}},
	{[]string{"quoinutl", "etcdutl"}, func(name string, args []string, stdout, stderr io.Writer) int {
		return utl.Run(context.Background(), utl.Process{Name: name, Args: args, Stdout: stdout, Stderr: stderr})
	}},
}

// scripts are the paths of all completions, below the directory for them.
func scripts() (paths []string) {
	for _, file := range shells {
		for _, line := range commandLines {
			for _, name := range line.names {
				paths = append(paths, fmt.Sprintf(file, name))
			}
		}
	}
	return paths
}

// completions writes the scripts.
func completions(dir string) error {
	for shell, file := range shells {
		for _, line := range commandLines {
			for _, name := range line.names {
				var out, stderr bytes.Buffer
				if code := line.run(name, []string{"completion", shell}, &out, &stderr); code != 0 {
					return fmt.Errorf("%s completion %s: %s", name, shell, stderr.String())
				}
				to := filepath.Join(dir, filepath.FromSlash(fmt.Sprintf(file, name)))
				if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(to, out.Bytes(), 0o644); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// archive packs the programs of a platform with what belongs to them.
func (m *run) archive(p spec.Platform, name string, binaries map[string]string) error {
	var entries []archive.Entry
	add := func(to, from string) {
		entries = append(entries, archive.Entry{Name: path.Join(name, to), Mode: 0o644, File: from})
	}
	for _, program := range m.Programs {
		file := p.Binary(program.Name)
		entries = append(entries,
			archive.Entry{Name: path.Join(name, "bin", file), Mode: 0o755, File: binaries[program.Name]},
			archive.Entry{Name: path.Join(name, "bin", p.Binary(program.EtcdName)), Link: file})
	}
	add("LICENSE", filepath.Join(m.Root, "LICENSE"))
	add("README.md", filepath.Join(m.Root, "README.md"))
	for _, script := range scripts() {
		add("completions/"+script, filepath.Join(m.stage, "completions", filepath.FromSlash(script)))
	}
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		add("monitoring/"+file, filepath.Join(m.Root, "release", "monitoring", file))
	}
	suffix := ".tar.gz"
	switch p.OS {
	case "linux":
		for _, file := range []string{"quoin.service", "quoin.env", "sysusers.conf"} {
			add("systemd/"+file, filepath.Join(m.Root, "release", file))
		}
	case "windows":
		suffix = ".zip"
	}
	to := filepath.Join(m.Out, name+suffix)
	if err := archive.Create(to, m.Time, entries); err != nil {
		return err
	}
	m.made(sbom.Artifact{File: to, Binaries: paths(m.Programs, binaries)})
	return nil
}

// compile runs the compiler, or takes what another builder has compiled.
func (m *run) compile(b spec.Build) (map[string]string, error) {
	if m.Binaries == "" {
		return compile.Run(m.ctx, m.Release, b)
	}
	if err := os.MkdirAll(b.Out, 0o755); err != nil {
		return nil, err
	}
	binaries := map[string]string{}
	for _, program := range b.Programs {
		file := b.Platform.Binary(program.Name)
		from := filepath.Join(m.Binaries, b.Platform.Dash(), file)
		if b.Debug {
			from = filepath.Join(m.Binaries, b.Platform.Dash(), "debug", file)
		}
		binaries[program.Name] = filepath.Join(b.Out, file)
		if err := copyFile(from, binaries[program.Name], 0o755); err != nil {
			return nil, err
		}
	}
	return binaries, nil
}

// dataModules are the modules whose data is in every image: the roots of trust.
func (m *run) dataModules() ([]*debug.Module, error) {
	const roots = "golang.org/x/crypto/x509roots/fallback"
	data, err := os.ReadFile(filepath.Join(m.Root, "go.mod"))
	if err != nil {
		return nil, err
	}
	f, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		return nil, err
	}
	sums, err := os.ReadFile(filepath.Join(m.Root, "go.sum"))
	if err != nil {
		return nil, err
	}
	for _, r := range f.Require {
		if r.Mod.Path != roots {
			continue
		}
		found := &debug.Module{Path: r.Mod.Path, Version: r.Mod.Version}
		for line := range strings.Lines(string(sums)) {
			if rest, ok := strings.CutPrefix(line, roots+" "+r.Mod.Version+" "); ok {
				found.Sum = strings.TrimSpace(rest)
			}
		}
		return []*debug.Module{found}, nil
	}
	return nil, fmt.Errorf("go.mod does not require %s", roots)
}

func paths(programs []spec.Program, binaries map[string]string) []string {
	var all []string
	for _, p := range programs {
		all = append(all, binaries[p.Name])
	}
	return all
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}

// emptyDir makes a directory, or accepts one that holds nothing.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: a release is all that is in its directory", dir)
	}
	return nil
}
