// Package logging builds the member's logger: etcd's line format, written without ever waiting for the reader of the log.
package logging

import (
	"errors"
	"fmt"
	"io"
	"os"
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
	EnableRotation bool
	RotationJSON   string
}

// Log is a logger together with the writers behind it.
type Log struct {
	*zap.Logger
	Level zap.AtomicLevel // may be changed while the member runs
	async []*asyncWriter
	files []*os.File
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
	if o.EnableRotation {
		return 0, nil, errors.New("--enable-log-rotation is not supported yet: rotate the files of --log-outputs with logrotate and copytruncate, or log to stderr")
	}
	level, err := parseLevel(o.Level)
	if err != nil {
		return 0, nil, err
	}
	encoder, err := newEncoder(o.Format)
	if err != nil {
		return 0, nil, err
	}
	for _, out := range o.Outputs {
		if out == OutputDefault && len(o.Outputs) > 1 {
			return 0, nil, errors.New(`multi logoutput for "default" is not supported yet`)
		}
		if out == OutputJournal {
			return 0, nil, fmt.Errorf("--log-outputs=%s is not supported: use stderr, which systemd passes on to the journal", out)
		}
	}
	return level, encoder, nil
}

func parseLevel(s string) (zapcore.Level, error) {
	switch s {
	case "":
		return zapcore.InfoLevel, nil
	case "debug", "info", "warn", "error", "dpanic", "panic", "fatal":
		return zapcore.ParseLevel(s)
	}
	return 0, fmt.Errorf("--log-level: unrecognized level: %q (must be one of debug, info, warn, error, panic, fatal)", s)
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
	outputs := o.Outputs
	if len(outputs) == 0 {
		outputs = []string{OutputDefault}
	}
	log := &Log{Level: zap.NewAtomicLevelAt(level)}
	cores := make([]zapcore.Core, 0, len(outputs))
	seen := map[string]bool{}
	for _, out := range outputs {
		if seen[out] {
			continue
		}
		seen[out] = true
		w, err := log.open(out)
		if err != nil {
			log.Close()
			return nil, err
		}
		a := newAsyncWriter(w, encoder)
		log.async = append(log.async, a)
		cores = append(cores, zapcore.NewCore(encoder, a, log.Level))
	}
	log.Logger = zap.New(zapcore.NewTee(cores...), zap.AddCaller(), zap.ErrorOutput(log.async[0]))
	return log, nil
}

func (l *Log) open(output string) (io.Writer, error) {
	switch output {
	case OutputDefault, OutputStderr:
		return os.Stderr, nil
	case OutputStdout:
		return os.Stdout, nil
	}
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open sink %q: %w", output, err)
	}
	l.files = append(l.files, f)
	return f, nil
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
	for _, f := range l.files {
		f.Close()
	}
}

// flushTimeout bounds how long a blocked output can hold up a stop.
const flushTimeout = 500 * time.Millisecond
