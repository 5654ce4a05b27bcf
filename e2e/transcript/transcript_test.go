package transcript

import (
	"strings"
	"testing"
)

var files = []string{KV, Txn, Misc, KVExtra, Lease, Watch, LockElect, Auth}

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
	// Watches write one response behind the other.
	if got, err := from.translateMessage(message+message, to); err != nil || got != want+want {
		t.Errorf("got %q, error %v, want %q twice", got, err, want)
	}
	for _, bad := range []string{"", "\x12\x01x", "\x0a\x08\x08", message + "\x12\x05x"} {
		if _, err := from.translateMessage(bad, to); err == nil {
			t.Errorf("%q was taken for a message with a header", bad)
		}
	}
}

func TestLeasesAreTranslated(t *testing.T) {
	var from, to ids
	for known, answer := range map[*ids]string{&from: "lease 6dfaa2040b880cbd granted", &to: "lease 00000000000000ff granted"} {
		if !known.grant(answer) || known.grant("OK") {
			t.Fatalf("%q was not understood: %v", answer, known.leases)
		}
	}
	got := from.translate("6dfaa2040b880cbd 7924824632568843453 lk/6dfaa2040b880cbd ZWwvNmRmYWEyMDQwYjg4MGNiZA==", to)
	if want := "00000000000000ff 255 lk/ff ZWwvZmY="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Every script is of a record that is replayed, and an endless record has something to wait for.
func TestScriptsAreOfRecords(t *testing.T) {
	for _, file := range files {
		records, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range plans[file].scripts {
			if _, omitted := Omitted(file)[i]; omitted || i >= len(records) {
				t.Errorf("%s[%d] has a script and is not replayed", file, i)
			}
		}
		for i, r := range records {
			sc := plans[file].scripts[i]
			if r.endless() && r.Stdout+r.StdoutHex == "" && !r.follows(sc) && len(sc.during) == 0 {
				t.Errorf("%s[%d] is ended before it has begun", file, i)
			}
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
		"equal":           {want: ok, got: ok},
		"exit code":       {want: ok, got: outcome{exit: 1, stdout: "OK\n"}, differ: "exit code"},
		"stdout":          {want: ok, got: outcome{stdout: "OK"}, differ: "stdout"},
		"stderr":          {want: outcome{stderr: "Error: a\n"}, got: outcome{stderr: "Error: b\n"}, differ: "stderr"},
		"log lines":       {want: outcome{stderr: log + "Error: a\n"}, got: outcome{stderr: "Error: a\n"}},
		"time of a lease": {want: outcome{stdout: "remaining(599s)"}, got: outcome{stdout: "remaining(570s)"}},
		"time of a lease, JSON": {
			want: outcome{stdout: `{"ttl":7195,"granted-ttl":7200}`}, got: outcome{stdout: `{"ttl":7199,"granted-ttl":7200}`},
		},
		"granted time of a lease": {
			want: outcome{stdout: `{"ttl":5,"granted-ttl":10}`}, got: outcome{stdout: `{"ttl":5,"granted-ttl":11}`}, differ: "stdout",
		},
		"lease that is over": {want: outcome{stdout: "remaining(9s)"}, got: outcome{stdout: "remaining(0s)"}, differ: "stdout"},
		"renewed lease":      {want: outcome{stdout: "remaining(9s)"}, got: outcome{stdout: "remaining(99s)"}, differ: "stdout"},
		"first line":         {record: Record{StdoutLen: 99}, want: ok, got: outcome{stdout: "OK\nmore\n"}},
		"not first line":     {record: Record{StdoutLen: 99}, want: ok, got: outcome{stdout: "more\n"}, differ: "stdout"},
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
