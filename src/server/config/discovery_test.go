package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDiscoveryCredentials(t *testing.T) {
	for _, tt := range []struct{ user, password, wantUser, wantPassword string }{
		{"", "", "", ""},
		{"u:p", "", "u", "p"},
		{"u:p:q", "", "u", "p:q"},
		{"u", "p", "u", "p"},
		{"u:x", "p", "u:x", "p"},
	} {
		user, password := Discovery{User: tt.user, Password: tt.password}.Credentials()
		if user != tt.wantUser || password != tt.wantPassword {
			t.Errorf("%+v: got %q, %q", tt, user, password)
		}
	}
}

func TestDiscoveryTLS(t *testing.T) {
	if c, err := (Discovery{InsecureTransport: true}).TLS(); c != nil || err != nil {
		t.Errorf("the default: got %v, %v", c, err)
	}
	if c, err := (Discovery{}).TLS(); c == nil || c.InsecureSkipVerify || err != nil {
		t.Errorf("--discovery-insecure-transport=false: got %v, %v", c, err)
	}
	if c, err := (Discovery{InsecureTransport: true, InsecureSkipTLSVerify: true}).TLS(); c == nil || !c.InsecureSkipVerify || err != nil {
		t.Errorf("--discovery-insecure-skip-tls-verify: got %v, %v", c, err)
	}
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Discovery{
		"CA that is not there":        {CAFile: bad + "x"},
		"CA without a certificate":    {CAFile: bad},
		"certificate that is not one": {CertFile: bad, KeyFile: bad},
	} {
		if _, err := d.TLS(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDiscoveryFromAFile(t *testing.T) {
	c, err := fromFile(`
name: m
discovery-config:
  token: t
  client:
    endpoints: [h:1, h:2]
    dial-timeout: 1000000000
    request-timeout: 2000000000
    keepalive-time: 3000000000
    keepalive-timeout: 4000000000
    max-request-bytes: 5
    max-recv-bytes: 6
    auth: {username: u, password: p, token: a}
    secure: {cacert: ca, insecure-transport: false, insecure-skip-tls-verify: true, server-name: registry.test}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Discovery{
		Token: "t", Endpoints: []string{"h:1", "h:2"}, Fallback: "exit",
		DialTimeout: time.Second, RequestTimeout: 2 * time.Second, KeepAliveTime: 3 * time.Second, KeepAliveTimeout: 4 * time.Second,
		MaxRequestBytes: 5, MaxRecvBytes: 6, User: "u", Password: "p", AuthToken: "a",
		CAFile: "ca", InsecureSkipTLSVerify: true, ServerName: "registry.test",
	}
	if !reflect.DeepEqual(c.Discovery, want) {
		t.Errorf("got %+v", c.Discovery)
	}
	for _, w := range c.Warnings {
		if strings.Contains(w.Message, "unknown setting") {
			t.Errorf("%+v", w)
		}
	}
	if _, err := fromFile("discovery-config: {token: t, client: {endpoints: [h:1], max-recv-bytes: -1}}"); err == nil {
		t.Error("a negative size was accepted")
	}
	if _, err := ParseFrom([]string{"--discovery-server-name=n"}, Sources{}); err == nil {
		t.Error("there is no such flag")
	}
}
