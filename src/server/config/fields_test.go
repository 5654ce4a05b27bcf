package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quoin.dev/server/logging"
)

// The line of a start is searched for settings.
func TestFieldsOfTheStartLine(t *testing.T) {
	c := parse(t, "--snapshot-catchup-entries=1000")
	path := filepath.Join(t.TempDir(), "log")
	log, err := logging.New(logging.Options{Outputs: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("starting", c.Fields()...)
	for _, w := range c.Warnings {
		log.Warn(w.Message, w.LogFields()...)
	}
	log.Close()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"snapshot-catchup-entries":1000`, `"v2-deprecation":"write-only"`, `"heartbeat-interval":"100ms"`, `"election-timeout":"1s"`,
		`"quota-backend-bytes":2147483648`, `"name":"default"`, `"advertise-client-urls":["http://localhost:2379"]`,
		`"data-dir":"default.etcd"}`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in %s", want, raw)
		}
	}
}
