package endpoint_test

import (
	"testing"

	"quoin.dev/client/internal/endpoint"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]endpoint.Endpoint{
		"127.0.0.1:2379":         {"tcp", "127.0.0.1:2379", "127.0.0.1:2379", endpoint.AsConfigured},
		"[::1]:2379":             {"tcp", "[::1]:2379", "[::1]:2379", endpoint.AsConfigured},
		"db.example:2379":        {"tcp", "db.example:2379", "db.example:2379", endpoint.AsConfigured},
		"http://localhost:2379":  {"tcp", "localhost:2379", "localhost:2379", endpoint.Plain},
		"https://db.example:1/":  {"tcp", "db.example:1", "db.example:1", endpoint.TLS},
		"unix:run/m0.sock":       {"unix", "run/m0.sock", "localhost", endpoint.AsConfigured},
		"unix:///run/m0.sock":    {"unix", "/run/m0.sock", "localhost", endpoint.AsConfigured},
		"unix://localhost:12345": {"unix", "localhost:12345", "localhost", endpoint.AsConfigured},
		"unixs:///run/m0.sock":   {"unix", "/run/m0.sock", "localhost", endpoint.TLS},
	} {
		if got, err := endpoint.Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "unix:", "unix://", "ftp://host:1", "http://", "a b:1", "host/path"} {
		if got, err := endpoint.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", text, got)
		}
	}
}
