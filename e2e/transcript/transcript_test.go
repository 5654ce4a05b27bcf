package transcript

import (
	"slices"
	"strings"
	"testing"
)

var files = []string{KV, Txn, Misc, KVExtra, Lease, Watch, LockElect}

func TestEveryFileCanBeReplayed(t *testing.T) {
	for _, file := range files {
		records, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		from, err := capturedIDs(records)
		if err != nil || from.endpoint == "" {
			t.Errorf("%s: ids %+v, error %v", file, from, err)
		}
		for i, reason := range Omitted(file) {
			if i >= len(records) || reason == "" {
				t.Errorf("%s[%d] is omitted for the reason %q", file, i, reason)
			}
		}
		for i, r := range records {
			if r.Argv[0] != "etcdctl" {
				t.Errorf("%s[%d] runs %s", file, i, r.Argv[0])
			}
			if _, err := r.stdout(); err != nil {
				t.Errorf("%s[%d]: %v", file, i, err)
			}
		}
	}
	if _, err := Load("none"); err == nil {
		t.Error("a file that does not exist was loaded")
	}
}

// Only what a later issue brings, or what the capture cannot tell, may be left out.
func TestOmittedRecordsAreOfOtherCommands(t *testing.T) {
	here := []string{"put", "get", "del", "txn", "compaction", "endpoint", "member", "version", "completion", "help", "options",
		"lease", "watch", "lock", "elect"}
	for _, file := range files {
		records, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, reason := range Omitted(file) {
			isHere := slices.ContainsFunc(records[i].Argv, func(arg string) bool { return slices.Contains(here, arg) })
			if isHere && reason == later {
				t.Errorf("%s[%d] %q is omitted although its command exists", file, i, records[i].Argv)
			}
		}
	}
}

func TestIDsAreTranslated(t *testing.T) {
	from := ids{cluster: 0xabc, member: 300, endpoint: "127.0.0.1:24001"}
	to := ids{cluster: 77, member: 0xfff1, endpoint: "127.0.0.1:9"}
	got := from.translate(`abc, 2748, 300, 12c, http://127.0.0.1:24001`, to)
	if want := `4d, 77, 65521, fff1, http://127.0.0.1:9`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// Header {cluster 2748, member 300, revision 1} followed by field 2.
	message := "\x0a\x08\x08\xbc\x15\x10\xac\x02\x18\x01" + "\x12\x01x"
	want := "\x0a\x08\x08\x4d\x10\xf1\xff\x03\x18\x01" + "\x12\x01x"
	if got, err := from.translateMessage(message, to); err != nil || got != want {
		t.Errorf("got %q, error %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", "\x12\x01x", "\x0a\x08\x08"} {
		if _, err := from.translateMessage(bad, to); err == nil {
			t.Errorf("%q was taken for a message with a header", bad)
		}
	}
}

func TestCompare(t *testing.T) {
	log := `{"level":"warn","msg":"retrying of unary invoker failed"}` + "\n"
	ok := outcome{stdout: "OK\n"}
	usage := outcome{exit: 1, stderr: "Error: bad\nUsage:\n  etcdctl get\n\nFlags:\n      --rev int\n"}
	for name, c := range map[string]struct {
		record    Record
		want, got outcome
		differ    string
	}{
		"equal":          {want: ok, got: ok},
		"exit code":      {want: ok, got: outcome{exit: 1, stdout: "OK\n"}, differ: "exit code"},
		"stdout":         {want: ok, got: outcome{stdout: "OK"}, differ: "stdout"},
		"stderr":         {want: outcome{stderr: "Error: a\n"}, got: outcome{stderr: "Error: b\n"}, differ: "stderr"},
		"log lines":      {want: outcome{stderr: log + "Error: a\n"}, got: outcome{stderr: "Error: a\n"}},
		"first line":     {record: Record{StdoutLen: 99}, want: ok, got: outcome{stdout: "OK\nmore\n"}},
		"not first line": {record: Record{StdoutLen: 99}, want: ok, got: outcome{stdout: "more\n"}, differ: "stdout"},
		"debug lines": {
			record: Record{Env: map[string]string{"ETCDCTL_DEBUG": "true"}},
			want:   outcome{stderr: "ETCDCTL_HEX=false\nINFO: [core] one\n"},
			got:    outcome{stderr: "ETCDCTL_HEX=false\nINFO: [core] two\n"},
		},
		"usage": {
			record: Record{HelpTextRemoved: true},
			want:   usage,
			got: outcome{exit: 1, stderr: "Error: bad\nUsage:\n  etcdctl get\n\nExamples:\n  x\n\n" +
				"Flags:\n      --rev int   a sentence\n"},
		},
		"usage without a flag": {
			record: Record{HelpTextRemoved: true},
			want:   usage,
			got:    outcome{exit: 1, stderr: "Error: bad\nUsage:\n  etcdctl get\n\nFlags:\n"},
			differ: "--rev int",
		},
		"usage on the wrong stream": {
			record: Record{HelpTextRemoved: true}, want: usage,
			got: outcome{exit: 1, stdout: usage.stderr, stderr: usage.stderr}, differ: "stdout",
		},
	} {
		found := strings.Join(c.record.compare(c.want, c.got), "; ")
		if (c.differ == "") != (found == "") || !strings.Contains(found, c.differ) {
			t.Errorf("%s: found %q, want a difference in %q", name, found, c.differ)
		}
	}
}

func TestLongStdinIsWrittenShort(t *testing.T) {
	if got := (Record{Stdin: "x * 5"}).stdin(); got != "xxxxx" {
		t.Errorf("got %q", got)
	}
	if got := (Record{Stdin: "x * 5\n"}).stdin(); got != "x * 5\n" {
		t.Errorf("got %q", got)
	}
}
