package preflight

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"quoin.dev/server/audit"
	"quoin.dev/server/auth/token"
	"quoin.dev/server/logging"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// directories looks at where the data goes.
func (r *report) directories() {
	r.directory("data-dir", r.cfg.DataDir)
	if r.cfg.WALDir != "" {
		r.directory("wal-dir", r.cfg.WALDir)
	}
	log, err := os.ReadDir(r.cfg.WALPath())
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(log) == 0:
		if r.cfg.Cluster.InitialClusterState == "existing" {
			r.add(OK, "data-dir", "", "empty: the member joins a running cluster, which has to have been told by member add")
		} else {
			r.add(OK, "data-dir", "", "empty: the member founds its cluster with those of --initial-cluster")
		}
	case err != nil:
		r.add(Problem, "data-dir", "run quoin as the user who owns it", "the log can not be read: %v", err)
	default:
		r.returns = true
		r.add(OK, "data-dir", "", "holds the data of a member: --initial-cluster and what goes with it do not matter any more")
	}
}

// directory looks at one directory, or where it would be made.
func (r *report) directory(flag, path string) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		above := existing(path)
		if err := writable(above); err != nil {
			r.add(Problem, flag, "make it for the user that quoin runs as", "%s is not there and can not be made in %s: %v", path, above, err)
			return
		}
		r.add(OK, flag, "", "%s will be made in %s", path, above)
	case err != nil:
		r.add(Problem, flag, "", "%v", err)
		return
	case !info.IsDir():
		r.add(Problem, flag, "name a directory", "%s is a file", path)
		return
	default:
		if err := writable(path); err != nil {
			r.add(Problem, flag, "run quoin as the user who owns it, or change its owner", "%s can not be written: %v", path, err)
			return
		}
		if extra := info.Mode().Perm() & 0o077; extra != 0 && hasModes {
			r.add(Warning, flag, "chmod 0700 "+path, "%s is open to others (mode %04o)", path, info.Mode().Perm())
		} else {
			r.add(OK, flag, "", "%s can be written", path)
		}
	}
	r.space(flag, existing(path))
}

// existing is the path, or the nearest directory above it that is there.
func existing(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return "."
	}
	for {
		if _, err := os.Stat(path); err == nil || filepath.Dir(path) == path {
			return path
		}
		path = filepath.Dir(path)
	}
}

// space compares what is free with what the database may grow to, twice of which a defragmentation needs for a while.
func (r *report) space(flag, dir string) {
	free, known := freeBytes(dir)
	quota := r.cfg.Storage.Quota()
	if !known || quota == 0 || flag != "data-dir" {
		return
	}
	const mebibyte = 1 << 20
	if free < uint64(quota) {
		r.add(Warning, flag, "make room, or lower --quota-backend-bytes", "%d MiB are free, and the database may grow to %d MiB", free/mebibyte, quota/mebibyte)
	}
}

// logFiles looks at where the log goes, and the one of who asks for what.
func (r *report) logFiles() {
	for _, out := range r.cfg.Logging.Outputs {
		if !slices.Contains([]string{logging.OutputDefault, logging.OutputStderr, logging.OutputStdout, logging.OutputJournal}, out) {
			r.logFile("log-outputs", out)
		}
	}
	if out := r.cfg.Audit.Path; out != "" && out != audit.Stderr {
		r.logFile("audit-log", out)
	}
}

func (r *report) logFile(flag, out string) {
	dir := filepath.Dir(out)
	if info, err := os.Stat(out); err == nil && info.IsDir() {
		r.add(Problem, flag, "name a file", "%s is a directory", out)
	} else if err := writable(dir); err != nil {
		r.add(Problem, flag, "make the directory for the user that quoin runs as", "%s can not be written: %v", out, err)
	} else {
		r.add(OK, flag, "", "%s can be written", out)
	}
}

// tokens looks at the keys of --auth-token.
func (r *report) tokens() {
	o, err := token.Parse(r.cfg.Security.AuthToken)
	if err == nil {
		err = o.CheckFiles()
	}
	if err != nil {
		r.add(Problem, "auth-token", "see quoin --help", "%v", err)
	} else {
		r.add(OK, "auth-token", "", "tokens can be verified")
	}
}
