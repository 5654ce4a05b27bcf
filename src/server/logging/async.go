package logging

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Bounds of the lines that wait for one output. Both hold at once: many short lines and few huge ones.
const (
	maxPendingLines = 8192
	maxPendingBytes = 8 << 20
)

// line is one encoded entry of the log.
type line struct {
	level zapcore.Level
	text  []byte
}

// asyncWriter decouples the member from the reader of its log: write copies the line into a bounded queue and returns.
// When the queue is full the line is dropped and counted; the count is written as a line of its own as soon as the
// output takes lines again. A crash of the process can lose only what the output had not yet taken.
type asyncWriter struct {
	out     output
	encoder zapcore.Encoder // for the line about dropped lines
	queue   chan line
	pending atomic.Int64  // bytes in the queue or being written
	dropped atomic.Uint64 // lines, over the whole life

	mu     sync.RWMutex // guards closed against a send on the closed queue; never held across a write to out
	closed bool
	done   chan struct{}
}

func newAsyncWriter(out output, encoder zapcore.Encoder) *asyncWriter {
	a := &asyncWriter{
		out:     out,
		encoder: encoder.Clone(),
		queue:   make(chan line, maxPendingLines),
		done:    make(chan struct{}),
	}
	go a.run()
	return a
}

// Write takes what zap has to say about itself.
func (a *asyncWriter) Write(text []byte) (int, error) {
	a.write(zapcore.ErrorLevel, text)
	return len(text), nil
}

// write never blocks and never fails. The bytes are copied, since zap reuses its buffer.
func (a *asyncWriter) write(level zapcore.Level, text []byte) {
	size := int64(len(text))
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.closed || a.pending.Add(size) > maxPendingBytes {
		a.drop(size)
		return
	}
	select {
	case a.queue <- line{level, append([]byte(nil), text...)}:
	default:
		a.drop(size)
	}
}

func (a *asyncWriter) drop(size int64) {
	if !a.closed {
		a.pending.Add(-size)
	}
	a.dropped.Add(1)
}

// Sync waits until the output has taken everything written before, but not longer than flushTimeout. zap calls it for
// lines above level error, just before the process ends.
func (a *asyncWriter) Sync() error {
	deadline := time.Now().Add(flushTimeout)
	for a.pending.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	return nil
}

func (a *asyncWriter) run() {
	defer close(a.done)
	var reported uint64
	for l := range a.queue {
		// An output that fails (a closed pipe, a full disk) must not end the member; the line is lost and counted.
		if err := a.out.put(l.level, l.text); err != nil {
			a.dropped.Add(1)
		}
		a.pending.Add(-int64(len(l.text)))
		if n := a.dropped.Load(); n > reported && len(a.queue) == 0 {
			a.reportDropped(n - reported)
			reported = n
		}
	}
}

func (a *asyncWriter) reportDropped(n uint64) {
	entry := zapcore.Entry{
		Level:   zapcore.WarnLevel,
		Time:    time.Now(),
		Caller:  zapcore.EntryCaller{Defined: true, File: "logging/async.go", Line: 1},
		Message: "dropped log lines because the log output was blocked or failed",
	}
	buf, err := a.encoder.EncodeEntry(entry, []zapcore.Field{zap.Uint64("dropped-lines", n)})
	if err != nil {
		return
	}
	_ = a.out.put(entry.Level, buf.Bytes()) // nobody is left to tell
	buf.Free()
}

// close stops taking lines and waits until the queue is written or the timeout is over.
func (a *asyncWriter) close(timeout time.Duration) {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return
	}
	a.closed = true
	close(a.queue)
	a.mu.Unlock()
	select {
	case <-a.done:
	case <-time.After(timeout):
	}
}
