package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func envOf(kv map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := kv[k]; return v, ok }
}

func parse(t *testing.T, args ...string) *Config {
	t.Helper()
	c, err := ParseFrom(args, Sources{})
	if err != nil {
		t.Fatalf("Parse(%q): %v", args, err)
	}
	return c
}

func TestNoFlagIsOneMemberOnLocalhost(t *testing.T) {
	c := parse(t)
	if c.Name != "default" || c.DataDir != "default.etcd" {
		t.Errorf("name %q, data dir %q", c.Name, c.DataDir)
	}
	if got := c.Cluster.InitialCluster; got != "default=http://localhost:2380" {
		t.Errorf("initial cluster %q", got)
	}
	for _, tt := range []struct{ got, want string }{
		{c.ListenClientURLs[0].String(), "http://localhost:2379"},
		{c.ListenPeerURLs[0].String(), "http://localhost:2380"},
		{c.Cluster.AdvertiseClientURLs[0].String(), "http://localhost:2379"},
		{c.Cluster.InitialAdvertisePeerURLs[0].String(), "http://localhost:2380"},
		{c.Cluster.InitialClusterToken, "etcd-cluster"},
		{c.WALPath(), "default.etcd/member/wal"},
		{c.SnapDir(), "default.etcd/member/snap"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	if c.Raft.ElectionTicks() != 10 || c.Storage.Quota() != 2<<30 || c.RequestTimeout() != 7*time.Second {
		t.Errorf("ticks %d, quota %d, request timeout %s", c.Raft.ElectionTicks(), c.Storage.Quota(), c.RequestTimeout())
	}
	if d := Default(); d.Name != "default" || d.Raft.HeartbeatInterval != 100*time.Millisecond {
		t.Errorf("Default differs: %+v", d.Raft)
	}
}

// quoinFlags are what etcd does not have. Each leaves everything as in etcd by its default.
var quoinFlags = []string{"auto-promote-learners", "max-apply-lag", "audit-log", "audit-log-level", "audit-log-rotation-config-json"}

// A drop-in must know every flag, with its variable and default.
func TestEveryServerFlagIsKnown(t *testing.T) {
	var rows []struct{ Name, Env, Type, Default string }
	readJSON(t, "testdata/flags.json", &rows)
	_, r := newDefault()
	known := map[string]bool{"version": true}
	for _, row := range rows {
		if row.Name == "version" {
			continue
		}
		known[row.Name] = true
		f := r.fs.Lookup(row.Name)
		if f == nil {
			t.Errorf("--%s is missing", row.Name)
			continue
		}
		if f.DefValue != row.Default {
			t.Errorf("--%s: default %q, want %q", row.Name, f.DefValue, row.Default)
		}
		if got := EnvName(row.Name); got != row.Env {
			t.Errorf("--%s: variable %s, want %s", row.Name, got, row.Env)
		}
		boolFlag, isBool := f.Value.(interface{ IsBoolFlag() bool })
		wantBool := row.Type == "bool" || row.Type == "flags.IgnoredFlag"
		if (isBool && boolFlag.IsBoolFlag()) != wantBool {
			t.Errorf("--%s: want a value-less flag: %v", row.Name, wantBool)
		}
	}
	r.fs.VisitAll(func(f *flag.Flag) {
		if known[f.Name] == slices.Contains(quoinFlags, f.Name) {
			t.Errorf("--%s: a flag is either etcd's or one of quoin's own", f.Name)
		}
	})
}

func TestFlagForms(t *testing.T) {
	for _, args := range [][]string{
		{"--name", "a"}, {"--name=a"}, {"-name", "a"}, {"-name=a"}, {"--name=b", "--name=a"},
	} {
		c := parse(t, args...)
		if c.Name != "a" || c.DataDir != "a.etcd" || c.Cluster.InitialCluster != "a=http://localhost:2380" {
			t.Errorf("%q: name %q, data dir %q, cluster %q", args, c.Name, c.DataDir, c.Cluster.InitialCluster)
		}
	}
	if c := parse(t, "--pre-vote=false"); c.Raft.PreVote {
		t.Error("--pre-vote=false has no effect")
	}
}

func TestInitialClusterFollowsTheAdvertisedURLs(t *testing.T) {
	c := parse(t, "--initial-advertise-peer-urls", "http://10.0.0.1:2380,http://10.0.0.2:2380")
	if want := "default=http://10.0.0.1:2380,default=http://10.0.0.2:2380"; c.Cluster.InitialCluster != want {
		t.Errorf("got %q, want %q", c.Cluster.InitialCluster, want)
	}
}

func TestListeningOnAllAddressesAdvertisesTheDefaultHost(t *testing.T) {
	host := func() string { return "192.0.2.7" }
	c, err := ParseFrom([]string{"--name", "foo", "--listen-peer-urls", "http://0.0.0.0:24982,http://127.0.0.1:1"}, Sources{DefaultHost: host})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Cluster.InitialCluster; got != "foo=http://192.0.2.7:24982" {
		t.Errorf("got %q", got)
	}
	c, err = ParseFrom([]string{"--listen-peer-urls", "http://0.0.0.0:1", "--initial-advertise-peer-urls", "http://h:2"}, Sources{DefaultHost: host})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Cluster.InitialCluster; got != "default=http://h:2" {
		t.Errorf("got %q", got)
	}
}

func TestVariables(t *testing.T) {
	c, err := ParseFrom([]string{"--pre-vote=false"}, Sources{Env: envOf(map[string]string{
		"ETCD_NAME": "zed", "ETCD_HEARTBEAT_INTERVAL": "50", "ETCD_PRE_VOTE": "", "ETCD_DATA_DIR": "", "ETCD_VERSION": "3",
		"ETCD_INITIAL_CLUSTER": "zed=http://localhost:2380", "ETCD_STRICT_RECONFIG_CHECK": "false",
	})})
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "zed" || c.DataDir != "zed.etcd" || c.Raft.HeartbeatInterval != 50*time.Millisecond || c.Cluster.StrictReconfigCheck {
		t.Errorf("got %+v", c)
	}
	if !c.Explicit("initial-cluster") {
		t.Error("a variable must count as set by the operator")
	}
	if !slices.ContainsFunc(c.Warnings, func(w Warning) bool { return w.Fields["key"] == "ETCD_VERSION" }) {
		t.Errorf("no warning about ETCD_VERSION: %v", c.Warnings)
	}
	unknown := UnknownEnv([]string{"ETCD_NAME=x", "ETCD_FOO=y", "HOME=z", "ETCD_UNSUPPORTED_ARCH=arm", "ETCD_MAX_WALS=1"})
	if !slices.Equal(unknown, []string{"ETCD_FOO"}) {
		t.Errorf("unknown variables: %q", unknown)
	}
}

func TestFlagAndVariableConflict(t *testing.T) {
	_, err := ParseFrom([]string{"--name", "a"}, Sources{Env: envOf(map[string]string{"ETCD_NAME": "b"})})
	var conflict *ConflictError
	if !errors.As(err, &conflict) || conflict.Variable != "ETCD_NAME" {
		t.Fatalf("got %v", err)
	}
	var out, errOut bytes.Buffer
	if code := Explain(err, &out, &errOut); code != 1 || !strings.Contains(errOut.String(), "is shadowed by corresponding command-line flag") {
		t.Errorf("exit %d, %s", code, errOut.String())
	}
}

func TestArchitecturesThatNobodyTests(t *testing.T) {
	for _, tt := range []struct{ arch, named, want string }{
		{"amd64", "", ""}, {"riscv64", "", ""}, {"", "", ""},
		{"386", "", "set ETCD_UNSUPPORTED_ARCH=386"}, {"386", "arm", "set ETCD_UNSUPPORTED_ARCH=386"}, {"386", "386", ""},
	} {
		c, err := ParseFrom(nil, Sources{Arch: tt.arch, Env: envOf(map[string]string{"ETCD_UNSUPPORTED_ARCH": tt.named})})
		if tt.want == "" && err == nil {
			if warned := strings.Contains(fmt.Sprint(c.Warnings), "not tested"); warned != (tt.arch == "386") {
				t.Errorf("%+v: warned: %v", tt, warned)
			}
		} else if err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v", tt, err)
		}
	}
}

func TestRetiredFlagsAreAccepted(t *testing.T) {
	c := parse(t, "--snapshot=5", "-v=3", "--config=x", "--force", "--max-snapshots=7", "--v2-deprecation=write-only")
	text := fmt.Sprint(c.Warnings)
	for _, want := range []string{"--snapshot,", "--max-snapshots is deprecated", "--v2-deprecation is deprecated"} {
		if !strings.Contains(text, want) {
			t.Errorf("no warning with %q in %s", want, text)
		}
	}
}

// The texts are those that etcd 3.7.3 prints, as far as it refuses the same setting.
func TestBadInput(t *testing.T) {
	const cluster = "--initial-cluster=default=http://localhost:2380"
	tests := []struct {
		args []string
		env  map[string]string
		code int
		want string
	}{
		{[]string{"--badflag"}, nil, 2, "flag provided but not defined: -badflag\nUsage:\n"},
		{[]string{"extra"}, nil, 1, `\"extra\" is not a valid flag`},
		{[]string{"gateway", "start"}, nil, 1, "quoin-proxy"},
		{[]string{"--pre-vote", "false"}, nil, 1, `\"false\" is not a valid flag`},
		{[]string{"-pre-vote=maybe"}, nil, 2, `invalid boolean value "maybe" for -pre-vote: parse error`},
		{[]string{"--name"}, nil, 2, "flag needs an argument: -name"},
		{[]string{"--listen-client-urls", "http://127.0.0.1:24901"}, nil, 1, "--advertise-client-urls is required when --listen-client-urls is set explicitly"},
		{[]string{"--election-timeout", "100"}, nil, 1, "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]"},
		{[]string{"--election-timeout", "0"}, nil, 1, "--election-timeout must be >0 (set to 0ms)"},
		{[]string{"--heartbeat-interval", "0"}, nil, 1, "--heartbeat-interval must be >0 (set to 0ms)"},
		{[]string{"--heartbeat-interval", "-1"}, nil, 2, `invalid value "-1" for flag -heartbeat-interval: parse error`},
		{nil, map[string]string{"ETCD_HEARTBEAT_INTERVAL": "abc"}, 1, `invalid value \"abc\" for ETCD_HEARTBEAT_INTERVAL: parse error`},
		{[]string{"--election-timeout", "60000"}, nil, 1, "--election-timeout[60000ms] is too long, and should be set less than 50000ms"},
		{[]string{"--initial-cluster-state", "bad"}, nil, 2, `invalid value "bad" for flag -initial-cluster-state: invalid value`},
		{[]string{"--auto-compaction-mode", "bad"}, nil, 1, `unknown auto-compaction-mode \"bad\"`},
		{[]string{"--auto-compaction-retention", "-1"}, nil, 1, `error parsing CompactionRetention: time: missing unit in duration \"-1\"`}, // GHSA-pm3m-32r3-7mfh
		{[]string{"--auto-compaction-retention", "-1h"}, nil, 1, "retention must not be negative"},
		{[]string{"--auto-compaction-retention", "abc"}, nil, 1, `error parsing CompactionRetention: time: invalid duration \"abc\"`},
		{[]string{"--auto-compaction-mode", "revision", "--auto-compaction-retention", "1h"}, nil, 1, "number of revisions"},
		{[]string{"--discovery-srv", "x", cluster}, nil, 1, `multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \"discovery-endpoints\" or \"discovery-srv\"`},
		{[]string{"--discovery-token", "x"}, nil, 1, "both --discovery-token and --discovery-endpoints must be set"},
		{[]string{"--discovery-fallback", "proxy"}, nil, 1, `v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"`},
		{[]string{"--discovery-fallback", "x"}, nil, 2, "invalid value"},
		{[]string{"--config-file", "nofile"}, nil, 1, "open nofile: no such file or directory"},
		{[]string{"--feature-gates", "Nope=true"}, nil, 2, `invalid value "Nope=true" for flag -feature-gates: unrecognized feature gate: Nope`},
		{[]string{"--feature-gates", "LeaseCheckpoint=maybe"}, nil, 2, `invalid value of LeaseCheckpoint=maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{[]string{"--feature-gates", "LeaseCheckpoint"}, nil, 2, "missing bool value for LeaseCheckpoint"},
		{[]string{"--feature-gates", "LeaseCheckpointPersist=true"}, nil, 1, "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint"},
		{[]string{"--listen-peer-urls", "bad"}, nil, 2, `invalid value "bad" for flag -listen-peer-urls: URL scheme must be http, https, unix, or unixs: bad`},
		{[]string{"--listen-peer-urls", "http://127.0.0.1"}, nil, 2, `URL address does not have the form "host:port": http://127.0.0.1`},
		{[]string{"--listen-peer-urls", "http://127.0.0.1:1/x"}, nil, 2, "URL must not contain a path: http://127.0.0.1:1/x"},
		{[]string{"--listen-peer-urls", "http://127.0.0.1:x"}, nil, 2, `parse "http://127.0.0.1:x": invalid port ":x" after host`},
		{[]string{"--listen-client-urls", "http://host.name:1", "--advertise-client-urls", "http://host.name:1"}, nil, 1, "expected IP in URL for binding (http://host.name:1)"},
		{[]string{"--listen-metrics-urls", "http://foo:1"}, nil, 1, "expected IP in URL for binding (http://foo:1)"},
		{[]string{"--advertise-client-urls", "http://:2379"}, nil, 1, "unexpected empty host (http://:2379)"},
		{[]string{"--initial-cluster", "default"}, nil, 1, "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "},
		{[]string{"--tls-min-version", "TLS9"}, nil, 1, `unexpected TLS version \"TLS9\" (must be one of: TLS1.2, TLS1.3)`},
		{[]string{"--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"}, nil, 1, "min version (TLS1.3) is greater than max version (TLS1.2)"},
		{[]string{"--cipher-suites", "FOO"}, nil, 1, `unexpected TLS cipher suite \"FOO\"`},
		{[]string{"--cipher-suites", "TLS_RSA_WITH_RC4_128_SHA"}, nil, 1, "insecure"}, // GHSA-5x4g-q5rc-36jp
		{[]string{"--cert-file", "x"}, nil, 1, "--cert-file must both be given"},
		{[]string{"--listen-peer-urls", "https://127.0.0.1:1"}, nil, 1, "--peer-cert-file, --peer-key-file"},
		{[]string{"--audit-log", "x", "--audit-log-level", "some"}, nil, 1, `--audit-log-level must be`},
		{[]string{"--audit-log", "x", "--audit-log-rotation-config-json", "{"}, nil, 1, "--audit-log-rotation-config-json: improperly formatted"},
		{[]string{"--auth-token", "bad"}, nil, 1, "invalid auth options"},
		{[]string{"--auth-token", "jwt,sign-method=HS256"}, nil, 1, "--auth-token: auth: missing key data"},
		{[]string{"--auth-token", "jwt,sign-method=foo"}, nil, 1, `--auth-token: auth: invalid auth options: sign-method \"foo\" is none of RS256`},
		{[]string{"--max-snapshots", "-1"}, nil, 2, `invalid value "-1" for flag -max-snapshots: parse error`},
		{[]string{"--max-wals=18446744073709551616"}, nil, 2, `invalid value "18446744073709551616" for flag -max-wals: value out of range`},
		{[]string{"--snapshot-count", "x"}, nil, 2, `invalid value "x" for flag -snapshot-count: parse error`},
		{[]string{"--max-concurrent-streams", "-1"}, nil, 2, `strconv.ParseUint: parsing "-1": invalid syntax`},
		{[]string{"--v2-deprecation", "bad"}, nil, 2, `invalid value "bad" for flag -v2-deprecation: invalid value "bad"`},
		{[]string{"--log-level", "bad"}, nil, 1, `unrecognized level: \"bad\"`},
		{[]string{"--logger", "capnslog"}, nil, 1, "--logger=capnslog is removed in v3.5"},
		{[]string{"--log-format", "xml"}, nil, 1, "unknown log format: xml, supported values json, console"},
		{[]string{"--log-outputs", "default,stderr"}, nil, 1, `multi logoutput for \"default\" is not supported yet`},
		{[]string{"--cors", "bad"}, nil, 2, `invalid value "bad" for flag -cors: URL scheme must be http, https, unix, or unixs: bad`},
		{[]string{"--compact-hash-check-time=0s", "--feature-gates=CompactHashCheck=true"}, nil, 1, "--compact-hash-check-time must be >0 (set to 0s)"},
		{[]string{"--corrupt-check-time=-1s"}, nil, 1, "--corrupt-check-time must not be negative"},
		{[]string{"--max-learners=-1"}, nil, 1, "--max-learners must not be negative"},
		{[]string{"--max-request-bytes=0"}, nil, 1, "--max-request-bytes"},
		{[]string{"--metrics=bad"}, nil, 1, "--metrics"},
		{[]string{"--backend-bbolt-freelist-type=x"}, nil, 1, "--backend-bbolt-freelist-type"},
		{[]string{"--enable-distributed-tracing", "--distributed-tracing-sampling-rate=-1"}, nil, 1, "sampling-rate"},
		{[]string{"--data-dir=d", "--wal-dir=d/"}, nil, 1, "--wal-dir must be a directory of its own"},
		{[]string{"--auto-tls", "--self-signed-cert-validity=0"}, nil, 1, "--self-signed-cert-validity must be between 1 and 1000 years"},
		{[]string{"--peer-auto-tls", "--self-signed-cert-validity=1001"}, nil, 1, "--self-signed-cert-validity must be between 1 and 1000 years"},
		{[]string{"--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "--tls-min-version=TLS1.3"}, nil, 1, "cipher suites cannot be configured when only TLS1.3 is enabled"},
		{[]string{"--discovery-srv=x", "--discovery-token=t", "--discovery-endpoints=h:1"}, nil, 1, "multiple discovery or bootstrap flags are set"},
		{[]string{"--discovery-token=t"}, nil, 1, "both --discovery-token and --discovery-endpoints must be set"},
		{[]string{"--discovery-endpoints=h:1"}, nil, 1, "both --discovery-token and --discovery-endpoints must be set"},
		{[]string{"--discovery-token=t", "--discovery-endpoints=h:1,,h:2"}, nil, 1, "--discovery-endpoints must not contain empty endpoints"},
		{[]string{"--discovery-token=t", "--discovery-endpoints=h:1", "--discovery-cert=c"}, nil, 1, "--discovery-cert and --discovery-key must both be set"},
		{[]string{"--discovery-token=t", "--discovery-endpoints=h:1", "--discovery-user=u"}, nil, 1, "--discovery-user needs --discovery-password"},
		{[]string{"--discovery-token=t", "--discovery-endpoints=h:1", "--discovery-request-timeout=0s"}, nil, 1, "must be >0"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			_, err := ParseFrom(tt.args, Sources{Env: envOf(tt.env), ReadFile: os.ReadFile})
			if err == nil {
				t.Fatal("accepted")
			}
			var out, errOut bytes.Buffer
			if code := Explain(err, &out, &errOut); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(errOut.String(), tt.want) {
				t.Errorf("got %s\nwant %s", errOut.String(), tt.want)
			}
			if out.Len() > 0 {
				t.Errorf("stdout: %q", out.String())
			}
			if tt.code == 1 {
				var line map[string]string
				if err := json.Unmarshal(errOut.Bytes(), &line); err != nil || line["msg"] != "failed to verify flags" {
					t.Errorf("not one JSON line: %s", errOut.String())
				}
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for arg, want := range map[string]string{
		"--help": "--heartbeat-interval '100'", "-h": "Examples:", "--version": "etcd Version: 3.7.3\nquoin Version: ", "-version": "etcd Version: ",
	} {
		_, err := ParseFrom([]string{arg}, Sources{})
		var out, errOut bytes.Buffer
		if code := Explain(err, &out, &errOut); code != 0 || !strings.Contains(out.String(), want) || errOut.Len() > 0 {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", arg, code, out.String(), errOut.String())
		}
	}
}

func TestEveryFlagHasHelp(t *testing.T) {
	var out bytes.Buffer
	WriteHelp(&out)
	_, r := newDefault()
	r.fs.VisitAll(func(f *flag.Flag) {
		if !strings.Contains(out.String(), "  --"+f.Name+" '") || f.Usage == "" {
			t.Errorf("--%s is not in the help", f.Name)
		}
	})
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}
