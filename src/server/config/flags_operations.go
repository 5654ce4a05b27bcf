package config

import (
	"time"

	"quoin.dev/server/logging"
)

const defaultRotation = `{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}`

func registerOperations(r *registrar, c *Config) {
	r.section("Logging and metrics")
	r.str(&c.Logging.Logger, "logger", "zap", `Kind of logger; only "zap" is left.`)
	r.uniqueStrings(&c.Logging.Outputs, "log-outputs", logging.OutputDefault, `Where lines go: "stderr", "stdout" or file paths, several separated by commas; "systemd/journal" alone; "default" is stderr.`)
	r.str(&c.Logging.Level, "log-level", "info", "Least level to log: debug, info, warn, error, panic or fatal.")
	r.str(&c.Logging.Format, "log-format", "json", "Shape of lines: json or console.")
	r.bool(&c.Logging.EnableRotation, "enable-log-rotation", false, "Put the one file of --log-outputs aside when it is too large.")
	r.str(&c.Logging.RotationJSON, "log-rotation-config-json", defaultRotation, "How to rotate, as JSON: size in MB, age in days, number of files to keep (0: all), local time in names, gzip.")
	r.str(&c.Metrics, "metrics", "basic", `"basic", or "extensive" for latency histograms of every RPC.`)
	r.bool(&c.HTTP.EnablePprof, "enable-pprof", false, "Serve /debug/pprof/ on the client port.")
	r.bool(&c.HTTP.EnableGateway, "enable-grpc-gateway", true, "Serve the JSON gateway on the client port.")
	r.duration(&c.WarningApplyDuration, "warning-apply-duration", 100*time.Millisecond, "Log a warning when applying one request takes longer.")
	r.duration(&c.WarningUnaryRequestDuration, "warning-unary-request-duration", 300*time.Millisecond, "Log a warning when answering one request takes longer.")
	r.bool(&c.Tracing.Enabled, "enable-distributed-tracing", false, "Send OpenTelemetry spans.")
	r.str(&c.Tracing.Address, "distributed-tracing-address", "localhost:4317", "Address of the OpenTelemetry collector.")
	r.str(&c.Tracing.ServiceName, "distributed-tracing-service-name", "etcd", "Service name in spans.")
	r.str(&c.Tracing.InstanceID, "distributed-tracing-instance-id", "", "Instance id in spans.")
	r.int(&c.Tracing.SamplingRate, "distributed-tracing-sampling-rate", 0, "Requests out of a million that are traced.")

	r.section("Corruption checks")
	r.duration(&c.Storage.CorruptCheckTime, "corrupt-check-time", 0, "Interval at which the leader compares all that the members hold. 0: never. Not given: every 12h, unless compactions were compared meanwhile.")
	r.duration(&c.Storage.CompactHashCheckTime, "compact-hash-check-time", time.Minute, "Interval between two tries to compare the hash of a compaction with the other members, with gate CompactHashCheck, which is on.")
}

func registerTuning(r *registrar, c *Config) {
	r.section("Tuning and feature gates")
	r.value(&c.Features, "feature-gates", `Gates to switch, as "Name=true,Name=false".`)
	r.str(&c.Storage.FreelistType, "backend-bbolt-freelist-type", "", "How bbolt keeps its free pages: array or map.")
	r.duration(&c.Storage.BatchInterval, "backend-batch-interval", 0, "Longest time before applied writes go to the database. 0: 100ms.")
	r.int(&c.Storage.BatchLimit, "backend-batch-limit", 0, "Most operations before applied writes go to the database. 0: 10000.")
	r.uint(&c.Storage.DefragThresholdMiB, "bootstrap-defrag-threshold-megabytes", 0, "Free space in the database above which a start rewrites it. 0: never.")
	r.duration(&c.WatchProgressNotifyInterval, "watch-progress-notify-interval", 0, "Interval of progress notifications. 0: 10m; at least 100ms.")
	r.bool(&c.Storage.UnsafeNoFsync, "unsafe-no-fsync", false, "Acknowledge writes before they are on disk. They are lost when the machine fails: for tests only.")
}

// retiredFlags did something in etcd 2 or in etcd's own tests.
var retiredFlags = []string{
	"cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force", "max-result-buffer",
	"max-retry-attempts", "peer-election-timeout", "peer-heartbeat-interval", "retry-interval", "snapshot",
	"test.coverprofile", "test.outputdir", "v", "vv",
}

func registerRetired(r *registrar, c *Config) {
	r.section("Retired, accepted without effect")
	r.value(choice{new(string), []string{"write-only", "write-only-drop-data", "gone"}, refuseQuoted}, "v2-deprecation", "Phase of the removal of the v2 store; always write-only.")
	for _, name := range retiredFlags {
		r.value(ignored{name: name, warn: func(text string) { c.warn(text) }}, name, "Ignored.")
	}
}
