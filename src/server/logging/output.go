package logging

import (
	"fmt"
	"io"
	"os"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// output takes encoded lines, one at a time and from one goroutine.
type output interface {
	put(level zapcore.Level, text []byte) error
	close() error
}

// isNamed tells whether an output is anything but the path of a file.
func isNamed(output string) bool {
	return slices.Contains([]string{OutputDefault, OutputStderr, OutputStdout, OutputJournal, os.DevNull}, output)
}

func (o Options) open(name string) (output, error) {
	switch {
	case name == OutputDefault || name == OutputStderr:
		return stream{Writer: os.Stderr}, nil
	case name == OutputStdout:
		return stream{Writer: os.Stdout}, nil
	case name == OutputJournal:
		return openJournal()
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open sink %q: %w", name, err)
	}
	if !o.EnableRotation || isNamed(name) {
		return stream{f, f}, nil
	}
	_ = f.Close() // it can be written; whoever rotates it opens it again and again
	rotation, err := ParseRotation(o.RotationJSON)
	if err != nil {
		return nil, err
	}
	rotated := rotation.Open(name)
	return stream{rotated, rotated}, nil
}

// stream is an output that takes lines as they are. closer is nil for what is not ours to close.
type stream struct {
	io.Writer
	closer io.Closer
}

func (s stream) put(_ zapcore.Level, text []byte) error {
	_, err := s.Write(text)
	return err
}

func (s stream) close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// core encodes entries for one output. Unlike the one of zap it passes on their level, which the journal asks for.
type core struct {
	zapcore.LevelEnabler
	encoder zapcore.Encoder
	out     *asyncWriter
}

// With implements zapcore.Core.
func (c *core) With(fields []zap.Field) zapcore.Core {
	encoder := c.encoder.Clone()
	for _, f := range fields {
		f.AddTo(encoder)
	}
	return &core{c.LevelEnabler, encoder, c.out}
}

// Check implements zapcore.Core.
func (c *core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core. The process may end right after a line above level error.
func (c *core) Write(e zapcore.Entry, fields []zap.Field) error {
	text, err := c.encoder.EncodeEntry(e, fields)
	if err != nil {
		return err
	}
	c.out.write(e.Level, text.Bytes())
	text.Free()
	if e.Level > zapcore.ErrorLevel {
		return c.Sync()
	}
	return nil
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return c.out.Sync() }
