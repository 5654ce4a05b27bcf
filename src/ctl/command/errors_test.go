package command_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/rpctypes"
)

// The sentences and codes are those of etcdctl 3.7.3.
func TestErrorsOfArguments(t *testing.T) {
	const (
		getArgs   = "get command needs one argument as key and an optional argument as range_end"
		putArgs   = "put command needs 1 argument and input from stdin or 2 arguments"
		delArgs   = "del command needs one argument as key and an optional argument as range_end"
		tooMany   = "too many arguments, only accept one argument when `--prefix` or `--from-key` is set"
		chooseOne = "`--prefix` and `--from-key` cannot be set at the same time, choose one"
		format    = "unsupported output format"
	)
	s := startServer(t)
	for _, c := range []struct {
		line string
		code int
		text string
	}{
		{"get", 128, getArgs},
		{"get --consistency=x", 128, getArgs},
		{"get a --prefix --from-key", 128, chooseOne},
		{"get a --keys-only --count-only", 128, "`--keys-only` and `--count-only` cannot be set at the same time, choose one"},
		{"get a b --prefix", 128, tooMany},
		{"get a b --prefix --consistency=x", 4, `unknown consistency flag "x"`},
		{"get a --order=BAD --sort-by=BAD", 4, "bad sort order BAD"},
		{"get a --sort-by=BAD", 4, "bad sort target BAD"},
		{"get a -w bad", 4, format},
		{"get a --count-only -w bad", 4, format},
		{"get a --count-only -w json", 128, "--count-only is only for `--write-out=fields`"},
		{"get a --count-only --print-value-only -w json", 128, "--count-only is only for `--write-out=fields`"},
		{"get a --print-value-only -w json", 128, "print-value-only is only for `--write-out=simple`"},
		{"put", 128, putArgs},
		{"put a", 128, putArgs},
		{"put a --ignore-lease", 128, putArgs},
		{"put a b --ignore-value", 128, "put command needs only 1 argument when 'ignore-value' is set"},
		{"put a b --lease=zz -w bad", 128, `bad lease ID (strconv.ParseInt: parsing "zz": invalid syntax), expecting ID in Hex`},
		{"put a b -w JSON", 4, format},
		{"del", 128, delArgs},
		{"del a b c", 128, delArgs},
		{"del a b --from-key", 128, tooMany},
		{"del a --prefix --from-key", 128, chooseOne},
		{"txn extra", 128, "txn command does not accept argument"},
		{"txn -w bad", 4, format},
		{"compaction", 128, "compaction command needs 1 argument"},
		{"compaction 1 2", 128, "compaction command needs 1 argument"},
		{"compaction x", 1, `strconv.ParseInt: parsing "x": invalid syntax`},
		{"member list --consistency=x", 4, `unknown consistency flag "l"`},
		{"endpoint status -w bad", 4, format},
		{"member add -w bad", 128, "member name not provided"},
		{"member add a", 128, "member peer urls not provided"},
		{"member add a --peer-urls=", 128, "member peer urls not provided"},
		{"member add a b --peer-urls=http://h:1", 128, "too many arguments"},
		{"member add a http://x:1 b http://y:1", 128,
			"too many arguments, did you mean --peer-urls=http://x:1, did you mean --peer-urls=http://y:1"},
		{"member add a --peer-urls=http://h:1,bad", 1, "URL scheme must be http, https, unix, or unixs: bad"},
		{"member add a --peer-urls=http://h:x", 1, `parse "http://h:x": invalid port ":x" after host`},
		{"member remove", 128, "member ID is not provided"},
		{"member remove 1 2", 128, "member ID is not provided"},
		{"member promote zz -w bad", 128, `bad member ID arg (strconv.ParseUint: parsing "zz": invalid syntax), expecting ID in Hex`},
		{"member update", 128, "member ID is not provided"},
		{"member update 1", 128, "member peer urls not provided"},
		{"member update 1 --peer-urls=http://h", 1, `URL address does not have the form "host:port": http://h`},
		{"move-leader", 128, "move-leader command needs 1 argument"},
		{"move-leader zz -w bad", 128, `strconv.ParseUint: parsing "zz": invalid syntax`},
		{"alarm list x -w bad", 128, "alarm list command accepts no arguments"},
		{"alarm disarm x", 128, "alarm disarm command accepts no arguments"},
		{"alarm list -w bad", 4, format},
		{"downgrade validate -w bad", 128, "TARGET_VERSION not provided"},
		{"downgrade enable 3.6 3.7", 128, "too many arguments"},
		{"defrag x -w bad", 4, format},
		{"check perf --load=bad -w bad", 4, "unknown load option bad"},
		{"check datascale --load=S", 4, "unknown load option S"},
		{"check perf -w bad", 4, format},
		{"make-mirror", 128, "make-mirror takes one destination argument"},
		{"make-mirror a b", 128, "make-mirror takes one destination argument"},
		{"make-mirror a --dest-prefix=x --no-dest-prefix", 128,
			"`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one"},
		{"make-mirror a -w bad", 4, format},
		{"make-mirror a --dest-cert=/x", 128, "KeyFile and CertFile must both be present[key: , cert: /x]"},
		{"make-mirror a --dest-cacert=/x", 128, "open /x: no such file or directory"},
		{"snapshot save", 128, "snapshot save expects one argument <filename>"},
		{"snapshot save a b", 128, "snapshot save expects one argument <filename>"},
		{"snapshot save /nonexistent/x.db", 5,
			"could not open /nonexistent/x.db.part (open /nonexistent/x.db.part: no such file or directory)"},
		{"get a --cert /nonexistent", 128, "KeyFile and CertFile must both be present[key: , cert: /nonexistent]"},
		{"get a --cacert /nonexistent", 128, "open /nonexistent: no such file or directory"},
	} {
		r := s.run("", strings.Fields(c.line)...)
		if r.code != c.code || r.stderr != "Error: "+c.text+"\n" || r.stdout != "" {
			t.Errorf("%s: %+v\nwant code %d and %s", c.line, r, c.code, c.text)
		}
	}
	checkAsked(t, s) // nothing of this may reach a member
}

func TestErrorsOfTxnInput(t *testing.T) {
	s := startServer(t)
	for _, c := range []struct {
		input string
		code  int
		text  string
	}{
		{"", 3, "EOF"},
		{"\n\n", 3, "EOF"},
		{"\nget a", 3, "EOF"},
		{"bad line\n\n\n\n", 3, "malformed comparison: bad line"},
		{"\nfrob t1\n\n\n", 3, "invalid txn request: frob t1"},
		{"\nget\n\n\n", 3, "invalid txn compare request: get"},
		{"\nput a \"\\q\"\n\n\n", 3, "invalid syntax"},
		{"\nput t1\n\n\n", 128, "put command needs 1 argument and input from stdin or 2 arguments"},
		{"\nget a --prefix --from-key\n\n\n", 128, "`--prefix` and `--from-key` cannot be set at the same time, choose one"},
		{"\nget a --order=BAD\n\n\n", 4, "bad sort order BAD"},
	} {
		r := s.run(c.input, "txn")
		if r.code != c.code || r.stderr != "Error: "+c.text+"\n" {
			t.Errorf("%q: %+v\nwant code %d and %s", c.input, r, c.code, c.text)
		}
	}
	r := s.run("\nget a --frob\n\n\n", "txn")
	if r.code != 3 || !strings.Contains(r.stderr, "--keys-only") ||
		!strings.HasSuffix(r.stderr, "Error: invalid txn request: get a --frob\n") {
		t.Errorf("unknown flag: %+v", r)
	}
	checkAsked(t, s)
}

func TestErrorsOfTheServer(t *testing.T) {
	s := startServer(t)
	s.rangeErr = rpctypes.ErrGRPCFutureRev
	if r := s.run("", "get", "k"); r.code != 1 || r.stderr != "Error: etcdserver: mvcc: required revision is a future revision\n" {
		t.Errorf("%+v", r)
	}
	s.rangeErr = status.Error(codes.Internal, "weird")
	if r := s.run("", "get", "k"); r.code != 1 || r.stderr != "Error: rpc error: code = Internal desc = weird\n" {
		t.Errorf("%+v", r)
	}
	for _, text := range []string{"context deadline exceeded", "stream terminated by RST_STREAM with error code: CANCEL"} {
		s.rangeErr = status.Error(codes.DeadlineExceeded, text)
		if r := s.run("", "get", "k", "--command-timeout=1s"); r.code != 1 || r.stderr != "Error: context deadline exceeded\n" {
			t.Errorf("%s: %+v", text, r)
		}
	}
	if r := s.run("", "put", "k", "v", "-w", "table"); r.code != 4 || r.stderr != "Error: table not supported as output format\n" {
		t.Errorf("%+v", r)
	}
}

func TestConnectionErrors(t *testing.T) {
	for _, c := range []struct {
		line string
		code int
		text string
	}{
		{"get x --endpoints=", 2, "etcdclient: no available endpoints"},
		{"get x --endpoints=127.0.0.1:1 --command-timeout=50ms", 1, "context deadline exceeded"},
		{"get x --endpoints=127.0.0.1:1 --command-timeout=0", 1, "context deadline exceeded"},
	} {
		if r := runWith(nil, "", strings.Fields(c.line)...); r.code != c.code || r.stderr != "Error: "+c.text+"\n" {
			t.Errorf("%s: %+v", c.line, r)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for line, want := range map[string]string{
		"--version":             "Error: unknown flag: --version\nUsage:\n  quoinctl [command]\n",
		"get x --frob":          "Error: unknown flag: --frob\nUsage:\n  quoinctl get [options] <key> [range_end] [flags]\n",
		"get x --limit=x":       `Error: invalid argument "x" for "--limit" flag: strconv.ParseInt: parsing "x": invalid syntax` + "\nUsage:\n",
		"completion":            "Error: accepts 1 arg(s), received 0\nUsage:\n  quoinctl completion [bash|zsh|fish|powershell]\n",
		"completion ksh":        `Error: invalid argument "ksh" for "quoinctl completion"` + "\nUsage:\n",
		"frobnicate":            "Error: unknown command \"frobnicate\" for \"quoinctl\"\nRun 'quoinctl --help' for usage.\n",
		"get a --write-out":     "Error: flag needs an argument: --write-out\nUsage:\n",
		"endpoint health --rev": "Error: unknown flag: --rev\nUsage:\n  quoinctl endpoint health [flags]\n",
	} {
		r := runWith(nil, "", strings.Fields(line)...)
		if r.code != 1 || r.stdout != "" || !strings.HasPrefix(r.stderr, want) {
			t.Errorf("%s: code %d, stdout %q, stderr\n%s\nwant\n%s", line, r.code, r.stdout, r.stderr, want)
		}
	}
}
