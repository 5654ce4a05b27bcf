package config

import (
	"os"
	"path/filepath"
	"testing"
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
