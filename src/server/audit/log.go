package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"quoin.dev/pkg/meter"

	"quoin.dev/server/logging"
)

const (
	maxPending   = 4096
	maxWait      = 100 * time.Millisecond
	flushTimeout = 5 * time.Second
	bufferBytes  = 64 << 10
)

// Log takes records and writes them. A nil Log takes nothing.
type Log struct {
	level  Level
	out    io.Writer
	closer io.Closer // nil: out stays open
	logger *zap.Logger

	lines, lost meter.Counter

	queue chan []byte
	// stalled is set when a line has waited for too long, until another one could be written: nobody else waits meanwhile.
	stalled atomic.Bool

	close   sync.Once
	closing chan struct{}
	done    chan struct{}
}

// Open begins a log. The file is made if it is not there, for its owner alone; otherwise it is continued. Error: the file can not
// be written.
func Open(o Options, logger *zap.Logger) (*Log, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Path == Stderr {
		return newLog(o.Level, os.Stderr, nil, logger), nil
	}
	// The file that rotates itself is opened by its first line only, which is too late to refuse a start.
	f, err := os.OpenFile(o.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	rotation, err := logging.ParseRotation(o.RotationJSON)
	if err != nil {
		return nil, err
	}
	file := rotation.Open(o.Path)
	return newLog(o.Level, file, file, logger), nil
}

func newLog(level Level, out io.Writer, closer io.Closer, logger *zap.Logger) *Log {
	l := &Log{level: level, out: out, closer: closer, logger: logger, queue: make(chan []byte, maxPending), closing: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Wants reports whether a record of this kind is written.
func (l *Log) Wants(outcome string, change bool) bool {
	switch {
	case l == nil:
		return false
	case l.level == LevelAll, outcome == Denied:
		return true
	}
	return l.level == LevelWrites && change
}

// Write takes a record. It waits for 100 ms at most when too many lines are waiting.
func (l *Log) Write(r *Record) {
	text, err := r.encode()
	if err != nil || !l.enqueue(text) {
		l.lost.Inc()
	}
}

func (l *Log) enqueue(text []byte) bool {
	select {
	case <-l.closing:
		return false
	default:
	}
	select {
	case l.queue <- text:
		return true
	default:
	}
	if l.stalled.Load() {
		return false
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case l.queue <- text:
		return true
	case <-timer.C:
		l.stalled.Store(true)
		return false
	}
}

// Lines counts what was written.
func (l *Log) Lines() uint64 {
	if l == nil {
		return 0
	}
	return l.lines.Load()
}

// Lost counts the lines that are missing.
func (l *Log) Lost() uint64 {
	if l == nil {
		return 0
	}
	return l.lost.Load()
}

// run writes what waits, and flushes when nothing does.
func (l *Log) run() {
	defer close(l.done)
	w := writer{Log: l, buffer: bufio.NewWriterSize(l.out, bufferBytes)}
	for {
		select {
		case text := <-l.queue:
			w.write(text)
		case <-l.closing:
			for len(l.queue) > 0 {
				w.write(<-l.queue)
			}
			return
		}
	}
}

// writer is the end of the queue.
type writer struct {
	*Log
	buffer   *bufio.Writer
	buffered uint64 // lines
	told     uint64 // lost lines for which a line stands
	failing  bool
}

func (w *writer) write(text []byte) {
	_, _ = w.buffer.Write(text) // its error stays for Flush
	w.buffered++
	if len(w.queue) == 0 || w.buffer.Buffered() >= bufferBytes/2 {
		w.flush()
		w.buffered = 0
	}
}

func (w *writer) flush() {
	lost := w.lost.Load()
	if lost > w.told {
		_, _ = w.buffer.Write(gap(lost - w.told))
	}
	if err := w.buffer.Flush(); err != nil {
		if !w.failing {
			w.logger.Warn("the audit log can not be written", zap.Error(err))
		}
		w.failing = true
		w.lost.Add(w.buffered)
		w.buffer.Reset(w.out)
		return
	}
	if lost > w.told {
		w.logger.Warn("lines of the audit log are lost, since they could not be written in time", zap.Uint64("lines", lost-w.told))
	}
	w.failing, w.told = false, lost
	w.lines.Add(w.buffered)
	w.stalled.Store(false)
}

// gap is the line that stands for those that are missing.
func gap(lost uint64) []byte {
	text, _ := json.Marshal(struct {
		Time string `json:"time"`
		Lost uint64 `json:"lost"`
	}{time.Now().UTC().Format(timeLayout), lost})
	return append(text, '\n')
}

// Close writes what waits, for five seconds at most. What comes afterwards is lost.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.close.Do(func() {
		close(l.closing)
		select {
		case <-l.done:
			if l.closer != nil {
				_ = l.closer.Close() // all is written
			}
		case <-time.After(flushTimeout):
			l.logger.Warn("the end of the audit log could not be written in time")
		}
	})
}
