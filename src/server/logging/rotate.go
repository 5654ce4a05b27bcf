package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"gopkg.in/natefinch/lumberjack.v2"
)

// Rotation is when the file of a log is put aside under a name with the time in it, and what becomes of such files; the keys of
// --log-rotation-config-json. A value of 0 stands for the default.
type Rotation struct {
	MaxSizeMiB int  `json:"maxsize"`    // size of the file at which it is put aside; 0: 100
	MaxAgeDays int  `json:"maxage"`     // days until a file that was put aside is deleted; 0: never
	MaxBackups int  `json:"maxbackups"` // how many of them are kept; 0: all
	LocalTime  bool `json:"localtime"`  // names carry the time of this place instead of UTC
	Compress   bool `json:"compress"`   // with gzip
}

// ParseRotation reads the JSON of --log-rotation-config-json; "" is all defaults. Error: what is wrong with it.
func ParseRotation(text string) (Rotation, error) {
	var r Rotation
	if text == "" {
		return r, nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
			return r, fmt.Errorf("improperly formatted log rotation config: %w", err)
		}
		return r, fmt.Errorf("invalid log rotation config: %w", err)
	}
	if r.MaxSizeMiB < 0 || r.MaxAgeDays < 0 || r.MaxBackups < 0 {
		return r, errors.New("invalid log rotation config: sizes, ages and counts must not be negative")
	}
	return r, nil
}

// Open returns the file that rotates itself. The names of those that were put aside are those that etcd gives, so that what
// collects them goes on to find them.
func (r Rotation) Open(path string) io.WriteCloser {
	return &lumberjack.Logger{
		Filename: path, MaxSize: r.MaxSizeMiB, MaxAge: r.MaxAgeDays, MaxBackups: r.MaxBackups,
		LocalTime: r.LocalTime, Compress: r.Compress,
	}
}
