package command_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"quoin.dev/storage/backend"
)

// The commands that etcdutl does not have, on a directory and a snapshot that etcd wrote.
func TestInspection(t *testing.T) {
	t.Chdir(golden(t))
	for _, c := range []struct{ line, holds string }{
		{"bbolt check node1.etcd", "revision          304\n"},
		{"bbolt check s.db -w json", `"revision":304,"compactRevision":127,"keys":195,"leases":4,"members":1,`},
		{"bbolt check s36.db -w fields", `"Version" : 3.6.0`},
		{"bbolt check s36.db", "checksum          true\n"},
		{"bbolt check s36/node1.etcd", "checksum          false\n"},
		{"bbolt buckets s.db", "key, 289, "},
		{"bbolt buckets s.db -w json", `{"name":"lease","rows":4,`},
		{"bbolt buckets s.db -w yaml", "---\nname: lease\nrows: 4\n"},
		{"snapshot status s.db -w yaml", "---\nhash: "},
		{"bbolt dump s.db meta", "bucket=meta key=finishedCompactRev value=127\n"},
		{"bbolt dump s.db key --from 304", "bucket=key revision=304.0 deleted=revoked-key\n"},
		{"bbolt dump node1.etcd key --limit 1 -w json --from 303", `{"bucket":"key","revision":"303.0","key":"revoked-key",`},
		{"bbolt dump node1.etcd key --limit 1 -w yaml --from 303", "---\nbucket: key\nrevision: \"303.0\"\nkey: revoked-key\n"},
		{"wal dump node1.etcd --type metadata", "type=metadata member=b8801a272f6b3ad8 cluster="},
		{"wal dump node1.etcd/member/wal --from 5 --to 5 --type entry", "type=entry index=5 term=2 "},
		{"wal dump node1.etcd -w json --type state", `"type":"state","term":2,"vote":"b8801a272f6b3ad8","commit":`},
	} {
		got := run(strings.Fields(c.line)...)
		if got.exit != 0 || !strings.Contains(got.stdout, c.holds) || got.stderr != "" {
			t.Errorf("%s: exit code %d, stdout %.300q, stderr %q, want %q", c.line, got.exit, got.stdout, got.stderr, c.holds)
		}
		if strings.Contains(c.line, "-w json") {
			for line := range strings.Lines(got.stdout) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%s: %q is no JSON", c.line, line)
				}
			}
		}
	}
	if got := run("bbolt", "dump", "s.db", "key", "--limit", "7"); strings.Count(got.stdout, "\n") != 7 {
		t.Errorf("--limit 7 shows %q", got.stdout)
	}
	if readFile(t, "s.db") != string(unzip(t, "single37-snapshot.db.gz")) {
		t.Error("an inspection has written to the file")
	}
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	return string(data)
}

func TestSnapshots(t *testing.T) {
	t.Chdir(golden(t))
	if got := run("snapshot", "restore", "s.db", "--data-dir", "r"); got.exit != 0 {
		t.Fatal(got)
	}
	got := run("wal", "snapshots", "r")
	if got.exit != 0 || !strings.HasPrefix(got.stdout, "file=0000000000000001-0000000000000001.snap index=1 term=1 voters=[8e9e05c52164694d] ") {
		t.Errorf("got %+v", got)
	}
	must(t, os.WriteFile("r/member/snap/0000000000000001-0000000000000002.snap", []byte("damaged"), 0o600))
	if got = run("wal", "snapshots", "r"); got.exit != 1 || strings.Count(got.stdout, "\n") != 2 || !strings.Contains(got.stdout, "problem=") {
		t.Errorf("got %+v", got)
	}
}

// A damaged log is shown up to the damage.
func TestDamagedLog(t *testing.T) {
	t.Chdir(golden(t))
	name := "node1.etcd/member/wal/0000000000000000-0000000000000000.wal"
	whole := run("wal", "dump", "node1.etcd")
	data := []byte(readFile(t, name))
	data[20000] ^= 1
	must(t, os.WriteFile(name, data, 0o600))
	got := run("wal", "dump", "node1.etcd")
	if got.exit != 1 || !strings.Contains(got.stderr, "is damaged at byte 1") || got.stdout == "" || !strings.HasPrefix(whole.stdout, got.stdout) {
		t.Errorf("exit code %d, %d bytes, stderr %q", got.exit, len(got.stdout), got.stderr)
	}
}

func TestErrors(t *testing.T) {
	t.Chdir(golden(t))
	for _, c := range []struct {
		line string
		exit int
		says string
	}{
		{"bbolt dump s.db -w table", 4, "table not supported as output format"},
		{"bbolt dump s.db -w bad", 4, "unsupported output format"},
		{"bbolt check s.db -w protobuf", 4, "protobuf not supported"},
		{"bbolt check bad.db", 1, "invalid database"},
		{"bbolt check corrupt.db", 1, "corrupt.db: expected sha256 ["},
		{"bbolt check s36", 1, "s36 is a directory without member/snap/db"},
		{"bbolt check nofile", 1, "no such file"},
		{"bbolt dump", 1, "requires at least 1 arg(s), only received 0\nUsage:"},
		{"wal dump s36", 1, "no segments"},
		{"wal dump node1.etcd --type x", 128, "--type takes crc, entry, metadata, snapshot, state; got x"},
		{"wal snapshots nofile", 1, "no such file"},
		{"wal snapshots s.db", 1, "damaged snapshot file"},
	} {
		if got := run(strings.Fields(c.line)...); got.exit != c.exit || !strings.Contains(got.stderr, c.says) {
			t.Errorf("%s: exit code %d, stderr %q, want %d and %q", c.line, got.exit, got.stderr, c.exit, c.says)
		}
	}
}

// The database of a member that runs is not touched, and the sentence says what to do.
func TestLocked(t *testing.T) {
	t.Chdir(golden(t))
	db := filepath.Join("node1.etcd", "member", "snap", "db")
	b, err := backend.Open(backend.Options{Path: db})
	must(t, err)
	defer b.Close()
	for _, line := range []string{
		"defrag --data-dir node1.etcd", "migrate --data-dir node1.etcd --target-version 3.6", "hashkv " + db, "snapshot status " + db,
		"bbolt check node1.etcd", "bbolt dump node1.etcd",
	} {
		got := run(append(strings.Fields(line), "--timeout", "1ms")...)
		if got.exit != 1 || !strings.Contains(got.stderr, "node1.etcd/member/snap/db is locked by another process, most likely a member that runs") {
			t.Errorf("%s: exit code %d, stderr %q", line, got.exit, got.stderr)
		}
	}
	if left, _ := filepath.Glob("node1.etcd/member/snap/*"); len(left) != 1 {
		t.Errorf("there is %v", left)
	}
}

// Under its own name the program says more about itself, and nothing twice.
func TestOwnName(t *testing.T) {
	if got := runAs("quoinutl", "version"); !strings.Contains(got.stdout, "\nquoinutl version: ") {
		t.Errorf("got %+v", got)
	}
	if got := runAs("quoinutl", "frob"); strings.Count(got.stderr, "unknown command") != 1 || got.exit != 1 {
		t.Errorf("got %+v", got)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := runAs("quoinutl", "completion", shell); got.exit != 0 || !strings.Contains(got.stdout, "quoinutl") {
			t.Errorf("%s: exit code %d", shell, got.exit)
		}
	}
	if _, err := exec.LookPath("bash"); err == nil {
		check := exec.Command("bash", "-n")
		check.Stdin = strings.NewReader(runAs("quoinutl", "completion", "bash").stdout)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("bash: %v\n%s", err, out)
		}
	}
}
