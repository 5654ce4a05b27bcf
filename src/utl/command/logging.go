package command

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"quoin.dev/pkg/human"
)

// newLogger writes lines of the form of etcdutl's: time, level, place, message, fields, with tabs between.
func newLogger(w io.Writer) *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{
		TimeKey: "ts", LevelKey: "level", CallerKey: "caller", MessageKey: "msg", LineEnding: "\n",
		EncodeLevel: zapcore.LowercaseLevelEncoder, EncodeCaller: zapcore.ShortCallerEncoder, EncodeDuration: zapcore.StringDurationEncoder,
		EncodeTime: func(t time.Time, out zapcore.PrimitiveArrayEncoder) { out.AppendString(t.UTC().Format(time.RFC3339)) },
	})
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), zapcore.InfoLevel), zap.AddCaller())
}

// progressEvery is how often long work says how far it is. What is over sooner says nothing.
const progressEvery = 5 * time.Second

// progress returns a callback that logs how far the work called what is. It belongs to one goroutine.
func (a *app) progress(what string, totalBytes int64) func(doneBytes int64) {
	next := time.Now().Add(progressEvery)
	return func(done int64) {
		now := time.Now()
		if now.Before(next) {
			return
		}
		next = now.Add(progressEvery)
		fields := []zap.Field{zap.String("done", human.Bytes(uint64(done)))}
		if totalBytes > 0 {
			fields = append(fields, zap.String("of", human.Bytes(uint64(totalBytes))), zap.Int64("percent", 100*done/totalBytes))
		}
		a.logger.Info(what, fields...)
	}
}
