package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const envPrefix = "ETCDCTL_"

// loadEnv sets the inherited flags of a command from ETCDCTL_* variables. A value that is empty or does not parse and a
// variable that belongs to no flag are reported and ignored, since the variable may be meant for another tool. A flag
// that is given on the command line as well ends the run, as it does in etcdctl. A command names the further variables that it
// reads in its annotations.
func (a *app) loadEnv(cmd *cobra.Command) error {
	set := make(map[string]string)
	for _, pair := range a.Env {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, envPrefix) {
			set[name] = value
		}
	}
	for name := range cmd.Annotations {
		delete(set, name)
	}
	log := a.envLogger()
	var conflict error
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		name := envName(f)
		value, present := set[name]
		if !present || conflict != nil {
			return
		}
		if f.Changed {
			log.Fatal("the variable and the flag are both set: unset the variable or leave out the flag",
				zap.String("environment-variable", name), zap.String("flag", "--"+f.Name))
			conflict = exit(failure, nil)
			return
		}
		if value == "" {
			return
		}
		delete(set, name)
		if err := f.Value.Set(value); err != nil {
			// Some types clear the value before they report the error.
			_ = f.Value.Set(f.DefValue)
			log.Warn("ignored an environment variable with a bad value",
				zap.String("environment-variable", name+"="+concealed(name, value)), zap.Error(err))
		}
	})
	if conflict != nil {
		return conflict
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		log.Warn("unrecognized environment variable", zap.String("environment-variable", name+"="+concealed(name, set[name])))
	}
	return nil
}

// variable returns the value of a variable, empty when it is not set.
func (a *app) variable(name string) string {
	var value string
	for _, pair := range a.Env {
		if n, v, _ := strings.Cut(pair, "="); n == name {
			value = v
		}
	}
	return value
}

// dumpEnv writes the settings in force as the variables that would bring them about.
func (a *app) dumpEnv(cmd *cobra.Command) {
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		fmt.Fprintf(a.Stderr, "%s=%s\n", envName(f), concealed(envName(f), f.Value.String()))
	})
}

// concealed is what is shown of the value of a variable: nothing of passwords and tokens, also where their names are not quite
// right.
func concealed(name, value string) string {
	switch {
	case value == "":
		return value
	case strings.Contains(name, "PASSWORD"), strings.Contains(name, "TOKEN"):
		return "***"
	case strings.Contains(name, "USER"):
		if user, _, found := strings.Cut(value, ":"); found {
			return user + ":***"
		}
	}
	return value
}

func envName(f *pflag.Flag) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// envLogger writes JSON lines to stderr. Its Fatal returns, so that the exit code stays with Run.
func (a *app) envLogger() *zap.Logger {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.999999Z0700")
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.AddSync(a.Stderr), zap.InfoLevel),
		zap.AddCaller(), zap.WithFatalHook(goOn{}))
}

type goOn struct{}

func (goOn) OnWrite(*zapcore.CheckedEntry, []zapcore.Field) {}
