package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func fromFile(text string, args ...string) (*Config, error) {
	return ParseFrom(append([]string{"--config-file", "c.yaml"}, args...), Sources{
		Env:      envOf(map[string]string{"ETCD_SNAPSHOT_COUNT": "7"}),
		ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
	})
}

func TestConfigFile(t *testing.T) {
	c, err := fromFile(`
name: yy
heartbeat-interval: 200
election-timeout: 2000
listen-client-urls: http://127.0.0.1:2379,http://127.0.0.1:3379
watch-progress-notify-interval: 600000000000
pre-vote: false
log-outputs: [stderr, /tmp/x.log]
quota-backend-bytes: 8589934592
feature-gates: LeaseCheckpoint=true
client-transport-security:
  client-cert-auth: true
  allowed-hostname: [a, b]
foo-bar: 3
`, "--name", "ignored")
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "yy" || c.Raft.HeartbeatInterval != 200*time.Millisecond || c.WatchProgressNotifyInterval != 10*time.Minute ||
		c.Raft.PreVote || len(c.ListenClientURLs) != 2 || c.Storage.QuotaBytes != 8<<30 || len(c.Logging.Outputs) != 2 ||
		!c.Features.Enabled(FeatureLeaseCheckpoint) || !c.Security.ClientTLS.ClientCertAuth || len(c.Security.ClientTLS.AllowedHostnames) != 2 {
		t.Errorf("got %+v", c)
	}
	if c.Raft.SnapshotCount != 10000 {
		t.Error("a variable was read beside a configuration file")
	}
	if c.Cluster.InitialCluster != "yy=http://localhost:2380" {
		t.Errorf("initial cluster %q", c.Cluster.InitialCluster)
	}
	if text := fmt.Sprint(c.Warnings); !strings.Contains(text, "foo-bar") {
		t.Errorf("no warning about the unknown setting: %s", text)
	}
}

func TestConfigFileErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a: [1":                                  "error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'",
		"heartbeat-interval: x":                  `invalid value "x" for "heartbeat-interval": parse error`,
		"watch-progress-notify-interval: 1.5":    "want integer nanoseconds",
		"election-timeout: 60000":                "is too long",
		"name: {a: b}\nelection-timeout: 1":      "should be at least as 5 times",
		"peer-transport-security: {crl-file: x}": "security settings must be known",
		"ClientTLSInfo: {CRLFile: x}":            "security settings must be known",
		"- a":                                    `want settings as "name: value"`,
		"name: a\nname: b":                       `key "name" already set`,
	} {
		if _, err := fromFile(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// Every tagged key of etcd's configuration file either sets a flag or is known to be left out.
func TestConfigFileKeys(t *testing.T) {
	var keys []string
	readJSON(t, "testdata/file_keys.json", &keys)
	leftOut := map[string]bool{
		"grpc-additional-server-options":                         true, // Go values, not a setting
		"client-transport-security.allowed-cn":                   true, // refused by name, like every unknown security setting
		"client-transport-security.skip-client-san-verification": true,
	}
	c, r := newDefault()
	registerFileOnly(r.fs, c)
	for _, key := range keys {
		name := key
		if mapped, ok := nestedKeys[key]; ok {
			name = mapped
		}
		if (r.fs.Lookup(name) == nil) != leftOut[key] {
			t.Errorf("key %q: flag %q known: %v", key, name, r.fs.Lookup(name) != nil)
		}
	}
}

func TestNestedKeysNameFlags(t *testing.T) {
	c, r := newDefault()
	registerFileOnly(r.fs, c)
	for key, name := range nestedKeys {
		if r.fs.Lookup(name) == nil {
			t.Errorf("%s maps to --%s, which does not exist", key, name)
		}
	}
}
