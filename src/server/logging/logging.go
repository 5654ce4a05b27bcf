// Package logging builds the member's logger: etcd's line format, written without ever waiting for the reader of the log.
package logging

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TimeLayout is the ts field of every line.
const TimeLayout = "2006-01-02T15:04:05.999999Z0700"

// Names of outputs that are not file paths.
const (
	OutputDefault = "default" // stderr
	OutputStderr  = "stderr"
	OutputStdout  = "stdout"
	OutputJournal = "systemd/journal"
)

// Options choose level, shape and place of the log; the zero value is info, JSON, stderr.
type Options struct {
	Logger         string   // "zap", the only one left
	Level          string   // debug, info, warn, error, panic or fatal
	Format         string   // json or console
	Outputs        []string // see the Output names; everything else is a file path
	EnableRotation bool     // rotate the one file among the outputs
	RotationJSON   string   // how, see Rotation; empty: the defaults there
}

// Log is a logger together with the writers behind it.
type Log struct {
	*zap.Logger
	Level   zap.AtomicLevel // may be changed while the member runs
	async   []*asyncWriter
	outputs []output
}

// Check reports what New would refuse, without opening anything.
func (o Options) Check() error {
	_, _, err := o.parse()
	return err
}

func (o Options) parse() (zapcore.Level, zapcore.Encoder, error) {
	switch o.Logger {
	case "", "zap":
	case "capnslog":
		return 0, nil, errors.New("--logger=capnslog is removed in v3.5")
	default:
		return 0, nil, fmt.Errorf("unknown logger option %q", o.Logger)
	}
	level, err := parseLevel(o.Level)
	if err != nil {
		return 0, nil, err
	}
	encoder, err := newEncoder(o.Format)
	if err != nil {
		return 0, nil, err
	}
	return level, encoder, o.checkOutputs()
}

// checkOutputs wants outputs that can stand beside each other.
func (o Options) checkOutputs() error {
	if len(o.Outputs) > 1 {
		if slices.Contains(o.Outputs, OutputDefault) {
			return errors.New(`multi logoutput for "default" is not supported yet`)
		}
		if slices.Contains(o.Outputs, OutputJournal) {
			return fmt.Errorf("running with %s but other '--log-outputs' values (%q) are configured; give it alone, as "+
				"systemd keeps the journal in files of its own", OutputJournal, slices.Sorted(slices.Values(o.Outputs)))
		}
	}
	if !o.EnableRotation {
		return nil
	}
	files := slices.DeleteFunc(slices.Clone(o.Outputs), isNamed)
	if len(files) != 1 {
		return errors.New("--log-outputs requires a single file path when --log-rotate-config-json is defined")
	}
	_, err := ParseRotation(o.RotationJSON)
	return err
}

func parseLevel(s string) (zapcore.Level, error) {
	if s == "" {
		return zapcore.InfoLevel, nil
	}
	level, err := zapcore.ParseLevel(s)
	if err != nil {
		return 0, fmt.Errorf("--log-level: unrecognized level: %q (must be one of debug, info, warn, error, panic, fatal)", s)
	}
	return level, nil
}

func newEncoder(format string) (zapcore.Encoder, error) {
	c := zapcore.EncoderConfig{
		TimeKey:        "ts",
		LevelKey:       "level",
		NameKey:        "logger",
		CallerKey:      "caller",
		MessageKey:     "msg",
		StacktraceKey:  "stacktrace",
		LineEnding:     zapcore.DefaultLineEnding,
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeTime:     zapcore.TimeEncoderOfLayout(TimeLayout),
		EncodeDuration: zapcore.StringDurationEncoder,
		EncodeCaller:   zapcore.ShortCallerEncoder,
	}
	switch format {
	case "", "json":
		return zapcore.NewJSONEncoder(c), nil
	case "console":
		return zapcore.NewConsoleEncoder(c), nil
	}
	return nil, fmt.Errorf("unknown log format: %s, supported values json, console", format)
}

// New opens the outputs and returns the logger on them. The caller closes it last of all.
func New(o Options) (*Log, error) {
	level, encoder, err := o.parse()
	if err != nil {
		return nil, err
	}
	names := o.Outputs
	if len(names) == 0 {
		names = []string{OutputDefault}
	}
	log := &Log{Level: zap.NewAtomicLevelAt(level)}
	cores := make([]zapcore.Core, 0, len(names))
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		out, err := o.open(name)
		if err != nil {
			log.Close()
			return nil, err
		}
		a := newAsyncWriter(out, encoder)
		log.async, log.outputs = append(log.async, a), append(log.outputs, out)
		cores = append(cores, &core{LevelEnabler: log.Level, encoder: encoder, out: a})
	}
	log.Logger = zap.New(zapcore.NewTee(cores...), zap.AddCaller(), zap.ErrorOutput(log.async[0]))
	return log, nil
}

// Dropped counts the lines that were lost because an output did not take them.
func (l *Log) Dropped() uint64 {
	var n uint64
	for _, a := range l.async {
		n += a.dropped.Load()
	}
	return n
}

// Close writes what is still buffered, for at most flushTimeout per output, and closes the files.
func (l *Log) Close() {
	for _, a := range l.async {
		a.close(flushTimeout)
	}
	for _, out := range l.outputs {
		_ = out.close()
	}
}

// flushTimeout bounds how long a blocked output can hold up a stop.
const flushTimeout = 500 * time.Millisecond
