package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// ErrVersion is returned for --version: print version.Text and stop with success. For --help it is flag.ErrHelp.
var ErrVersion = errors.New("version requested")

// UsageError is a command line that cannot be read; the program prints it with the usage and exits with code 2.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// ConflictError is a setting that was given by flag and by variable. etcd does not guess which one was meant.
type ConflictError struct{ Variable string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflicting environment variable %q is shadowed by corresponding command-line flag (either unset environment variable or disable flag)", e.Variable)
}

// CheckRequest is returned for --check-config: look at what the settings refer to, and start nothing.
type CheckRequest struct {
	Config *Config // nil if Err is set
	Err    error   // what Parse would have returned otherwise
}

func (r *CheckRequest) Error() string { return "check of the configuration requested" }
func (r *CheckRequest) Unwrap() error { return r.Err }

// Sources are the places that settings come from besides the arguments; Parse fills them with the real ones.
type Sources struct {
	Env         func(string) (string, bool)
	ReadFile    func(path string) ([]byte, error)
	DefaultHost func() string // address that other machines reach this one by, or "" when unknown
	Arch        string        // what the program was compiled for; empty: not looked at
}

// Parse reads the arguments (without the program name) and the ETCD_* variables, or the file that one of them names,
// and returns checked settings. Errors: flag.ErrHelp, ErrVersion, *UsageError, *ConflictError, or what is wrong with
// the settings. Explain turns each into output and an exit code.
func Parse(args []string, env func(string) (string, bool)) (*Config, error) {
	return ParseFrom(args, Sources{Env: env, ReadFile: os.ReadFile, DefaultHost: DefaultHost, Arch: runtime.GOARCH})
}

// ParseFrom is Parse with every source given.
func ParseFrom(args []string, src Sources) (*Config, error) {
	if len(args) > 0 && args[0] == completionCommand {
		return nil, &CompletionRequest{Args: args[1:]}
	}
	c, r := newDefault()
	var actions actions
	actions.register(r.fs)
	if err := r.fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, flag.ErrHelp
		}
		return nil, &UsageError{err}
	}
	if actions.version {
		return nil, ErrVersion
	}
	c, err := settle(c, r.fs, src)
	if actions.check {
		return nil, &CheckRequest{c, err}
	}
	return c, err
}

// actions are flags that do something else than start a member. They have no variable and no place in a file: a container that
// sets one by mistake would never start.
type actions struct{ version, check bool }

func (a *actions) register(fs *flag.FlagSet) {
	fs.BoolVar(&a.version, versionFlag, false, "Print the version and exit.")
	fs.BoolVar(&a.check, checkFlag, false, "Look for mistakes in the settings and what they refer to, print them, and exit.")
}

const (
	versionFlag = "version"
	checkFlag   = "check-config"
)

// settle adds what was not given by flag, from the variables or a file.
func settle(c *Config, fs *flag.FlagSet, src Sources) (*Config, error) {
	if extra := fs.Args(); len(extra) > 0 {
		return nil, notAFlag(extra[0])
	}
	fs.Visit(func(f *flag.Flag) { c.explicit[f.Name] = true })
	if path := configFile(c, src.Env); path != "" {
		return parseFile(path, src)
	}
	if err := applyEnv(c, fs, src.Env); err != nil {
		return nil, err
	}
	return finish(c, src)
}

func notAFlag(arg string) error {
	switch arg {
	case "gateway", "grpc-proxy":
		return fmt.Errorf("%q is not a valid flag: the proxies are a program of their own, quoin-proxy", arg)
	}
	return fmt.Errorf("%q is not a valid flag", arg)
}

// Default returns the settings of a member that was given no flag at all, checked and complete.
func Default() *Config {
	c, _ := newDefault()
	c, err := finish(c, Sources{})
	if err != nil {
		panic("config: the defaults are not valid: " + err.Error())
	}
	return c
}

func newDefault() (*Config, *registrar) {
	c := &Config{explicit: map[string]bool{}}
	c.HTTP.CORS = []string{"*"}
	return c, register(c)
}

func finish(c *Config, src Sources) (*Config, error) {
	if err := c.checkArch(src.Arch, src.Env); err != nil {
		return nil, err
	}
	if err := c.resolve(src.DefaultHost); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.noteOddSettings()
	return c, nil
}

// EnvName is the variable of a flag: data-dir is ETCD_DATA_DIR.
func EnvName(flagName string) string {
	return "ETCD_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// applyEnv sets every flag that was not given from its variable. An empty variable counts as not set.
func applyEnv(c *Config, fs *flag.FlagSet, env func(string) (string, bool)) error {
	if env == nil {
		return nil
	}
	var first error
	fs.VisitAll(func(f *flag.Flag) {
		value, ok := env(EnvName(f.Name))
		if first != nil || !ok || value == "" {
			return
		}
		switch {
		case f.Name == checkFlag:
			// It is for the command line alone; UnknownEnv names the variable.
		case f.Name == versionFlag:
			c.warn("cannot set special environment variable", "key", "ETCD_VERSION", "value", value)
		case c.explicit[f.Name]:
			first = &ConflictError{EnvName(f.Name)}
		default:
			if err := fs.Set(f.Name, value); err != nil {
				first = fmt.Errorf("invalid value %q for %s: %w", value, EnvName(f.Name), err)
				return
			}
			c.explicit[f.Name] = true
		}
	})
	return first
}

func configFile(c *Config, env func(string) (string, bool)) string {
	if c.ConfigFile != "" || env == nil {
		return c.ConfigFile
	}
	path, _ := env(EnvName("config-file"))
	return path
}

// UnknownEnv lists the ETCD_* variables of an environment ("KEY=value" texts) that no flag reads, so that a start can
// warn about misspelt ones.
func UnknownEnv(environ []string) []string {
	_, r := newDefault()
	known := map[string]bool{"ETCD_VERSION": true, archVariable: true}
	r.fs.VisitAll(func(f *flag.Flag) { known[EnvName(f.Name)] = true })
	var unknown []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "ETCD_") && !known[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
