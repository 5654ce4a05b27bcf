package config

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

// FuzzConfigFile: a file is either refused with a reason or gives settings that hold.
func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{
		"name: a\nheartbeat-interval: 200\nelection-timeout: 2000\n", `{"name": "a", "pre-vote": false}`, "a: [1", "- a", "name:\n  b: c",
		"log-outputs: [stderr, a]\nclient-transport-security:\n  client-cert-auth: true\n", "watch-progress-notify-interval: 1e300",
		"discovery-config:\n  token: t\n  client:\n    endpoints: [a, b]\n", "initial-cluster: a=http://h:1,b=unix://x\nname: b",
		"a: &a [*a]", "feature-gates: AllAlpha=true", "auto-compaction-retention: -1", "listen-client-urls: null", "? x\n: y", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseFrom([]string{"--config-file=f"}, Sources{ReadFile: func(string) ([]byte, error) { return text, nil }})
		settled(t, c, err)
	})
}

// FuzzFlag: a flag and its variable mean the same, and what they are refused for can be told.
func FuzzFlag(f *testing.F) {
	_, r := newDefault()
	r.fs.VisitAll(func(fl *flag.Flag) {
		f.Add(fl.Name, fl.DefValue)
		f.Add(fl.Name, "-1")
	})
	for name, value := range map[string]string{
		"listen-peer-urls": "http://[::1]:2380,unix://a", "feature-gates": "AllAlpha=true,LeaseCheckpoint=false", "auth-token": "jwt,a=b",
		"log-rotation-config-json": `{"maxsize": 3}`, "cors": "*,http://a:1", "auto-compaction-retention": "9999999999h",
	} {
		f.Add(name, value)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "config-file" || value == "" || strings.ContainsRune(value, 0) {
			return
		}
		c, err := ParseFrom([]string{"--" + name + "=" + value}, Sources{})
		settled(t, c, err)
		if _, r := newDefault(); r.fs.Lookup(name) == nil {
			return
		}
		byVariable, verr := ParseFrom(nil, Sources{Env: envOf(map[string]string{EnvName(name): value})})
		settled(t, byVariable, verr)
		if (err == nil) != (verr == nil) {
			t.Errorf("--%s=%s: by flag %v, by variable %v", name, value, err, verr)
		}
	})
}

// settled holds the outcome of a Parse to its promise.
func settled(t *testing.T, c *Config, err error) {
	t.Helper()
	if err != nil {
		var stdout, stderr bytes.Buffer
		if code := Explain(err, &stdout, &stderr); code == 0 && stdout.Len() == 0 || code != 0 && stderr.Len() == 0 {
			t.Errorf("nothing is said about %v", err)
		}
		return
	}
	if err := c.Validate(); err != nil {
		t.Errorf("accepted, and not valid: %v", err)
	}
	c.Fields()
	if c.MemberDir() == "" || c.WALPath() == "" {
		t.Error("no place for the data")
	}
	if _, err := os.Stat(c.DataDir); err == nil && c.DataDir != "." && !c.explicit["data-dir"] {
		t.Errorf("reading settings made %s", c.DataDir)
	}
}
