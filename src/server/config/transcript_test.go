package config

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
)

// Command lines that etcd 3.7.3 answered without starting a member. The last error counts: what is logged before it, and the
// help, are our own. The names of proxies, which are a program of their own here, are left out.
func TestAnswersOfEtcd(t *testing.T) {
	var records []struct {
		Argv                   []string
		Exit                   int
		Stdout, Error, Differs string
	}
	readJSON(t, "testdata/server_cli.json", &records)
	files := map[string]string{"bad.yaml": "a: [1"}
	read := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	for _, r := range records {
		t.Run(strings.Join(r.Argv[1:], " "), func(t *testing.T) {
			_, err := ParseFrom(r.Argv[1:], Sources{ReadFile: read})
			var stdout, stderr bytes.Buffer
			if code := Explain(err, &stdout, &stderr); err == nil || code != r.Exit {
				t.Errorf("exit code %d, want %d (%v)", code, r.Exit, err)
			}
			if !strings.HasPrefix(stdout.String(), r.Stdout) {
				t.Errorf("stdout %q, want %q", stdout.String(), r.Stdout)
			}
			said, _, _ := strings.Cut(stderr.String(), "\n")
			if r.Exit == 1 {
				var line struct{ Error string }
				if err := json.Unmarshal(stderr.Bytes(), &line); err != nil {
					t.Fatal(err)
				}
				said = strings.Replace(line.Error, fs.ErrNotExist.Error(), "no such file or directory", 1)
			}
			// Where a flag is named ahead of the reason, or the text goes on, what etcd says is in it.
			if !strings.Contains(said, r.Error) {
				t.Errorf("said %q, want %q", said, r.Error)
			}
		})
	}
}
