package clusterurl_test

import (
	"reflect"
	"strings"
	"testing"

	"quoin.dev/pkg/clusterurl"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		" http://127.0.0.1:2379 ": "http://127.0.0.1:2379",
		"HTTPS://[::1]:1":         "https://[::1]:1",
		"http://localhost:0":      "http://localhost:0",
		"unix://sock:1":           "unix://sock:1",
		"unix:///run/q.sock":      "unix:///run/q.sock",
		"unixs://sock":            "unixs://sock",
	} {
		u, err := clusterurl.Parse(in)
		if err != nil || u.String() != want {
			t.Errorf("%q: got %s, %v", in, u.String(), err)
		}
	}
	for in, want := range map[string]string{
		"":                 "URL scheme must be http, https, unix, or unixs: ",
		"localhost:2379":   "URL scheme must be http, https, unix, or unixs: localhost:2379",
		"ftp://h:1":        "URL scheme must be",
		"http://h":         `URL address does not have the form "host:port": http://h`,
		"http://h:1/":      "URL must not contain a path: http://h:1/",
		"http://h:x":       `invalid port ":x" after host`,
		"http://h:1\x00":   "invalid control character",
		"http://[::1:2379": "missing ']' in host",
	} {
		if _, err := clusterurl.Parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

func TestParseListSorts(t *testing.T) {
	urls, err := clusterurl.ParseList([]string{"http://b:1", "http://a:1"})
	if err != nil || urls[0].Host != "a:1" {
		t.Errorf("got %v, %v", urls, err)
	}
	if _, err := clusterurl.ParseList(nil); err == nil {
		t.Error("an empty list was accepted")
	}
}

func TestParseFounders(t *testing.T) {
	f, err := clusterurl.ParseFounders(" b=http://h2:2380,a=http://h3:2380 ,a=http://h1:2380,a=http://h1:2380")
	if err != nil {
		t.Fatal(err)
	}
	want := clusterurl.Founders{"a": {"http://h1:2380", "http://h3:2380"}, "b": {"http://h2:2380"}}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got %v", f)
	}
	if got := f.String(); got != "a=http://h1:2380,a=http://h3:2380,b=http://h2:2380" {
		t.Errorf("got %s", got)
	}
	if f.DuplicateURL() || !reflect.DeepEqual(f.Names(), []string{"a", "b"}) {
		t.Errorf("duplicate %v, names %v", f.DuplicateURL(), f.Names())
	}
	f["b"] = append(f["b"], "http://h1:2380")
	if !f.DuplicateURL() {
		t.Error("a URL of two members was not seen")
	}
	if f, err := clusterurl.ParseFounders(" "); err != nil || len(f) != 0 {
		t.Errorf("empty: %v, %v", f, err)
	}
	for in, want := range map[string]string{
		"a":                        "URL scheme must be http, https, unix, or unixs: ",
		"a=http://h:1,":            "empty member name",
		"=http://h:1":              "empty member name",
		"a=http://h:1,b=ftp://h:1": "URL scheme must be",
	} {
		if _, err := clusterurl.ParseFounders(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

// FuzzFounders: a list that is understood means the same when it is written out and read again.
func FuzzFounders(f *testing.F) {
	for _, seed := range []string{"", "a=http://h:1", "a=http://h:1,b=https://[::1]:2,a=http://h:3", "=http://h:1", "a=", "a=unix://x,b=unixs://y", ",", "a=b=http://h:1", "a=http://h:1&x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		founders, err := clusterurl.ParseFounders(s)
		if err != nil {
			return
		}
		again, err := clusterurl.ParseFounders(founders.String())
		if err != nil {
			t.Fatalf("%q was understood, and its form %q is not: %v", s, founders.String(), err)
		}
		if again.String() != founders.String() {
			t.Fatalf("%q became %q and then %q", s, founders.String(), again.String())
		}
	})
}
