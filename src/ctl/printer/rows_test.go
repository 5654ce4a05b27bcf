package printer

import (
	"bytes"
	"testing"
)

func TestPercentNotInUse(t *testing.T) {
	for _, c := range []struct {
		size, inUse int64
		want        string
	}{
		{1000, 995, "1%"}, {200, 199, "1%"}, {1000, 985, "2%"}, {30000, 20000, "34%"}, {100, 200, "-100%"},
		{1000, 1001, "0%"}, {1_000_000, 1, "100%"}, {0, 200, "0%"},
	} {
		if got := percentNotInUse(c.size, c.inUse); got != c.want {
			t.Errorf("%d of %d: got %s, want %s", c.inUse, c.size, got, c.want)
		}
	}
}

func TestHealth(t *testing.T) {
	list := []Health{
		{Endpoint: "a:1", Healthy: true, Took: "9.051324ms"},
		{Endpoint: "b:1", Took: "5.000422325s", Error: "context deadline exceeded"},
	}
	for format, want := range map[string]string{
		"simple": "a:1 is healthy: successfully committed proposal: took = 9.051324ms\n",
		"json": `[{"endpoint":"a:1","health":true,"took":"9.051324ms"},` +
			`{"endpoint":"b:1","health":false,"took":"5.000422325s","error":"context deadline exceeded"}]` + "\n",
		"fields": "\"Endpoint\" : \"a:1\"\n\"Health\" : true\n\"Took\" : 9.051324ms\n\"Error\" : \n\n" +
			"\"Endpoint\" : \"b:1\"\n\"Health\" : false\n\"Took\" : 5.000422325s\n\"Error\" : context deadline exceeded\n\n",
	} {
		var out, errOut bytes.Buffer
		p, err := New(format, &out, Options{Err: &errOut})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Health(list); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s: got %q, want %q", format, out.String(), want)
		}
		wantErr := ""
		if format == "simple" {
			wantErr = "b:1 is unhealthy: failed to commit proposal: context deadline exceeded\n"
		}
		if errOut.String() != wantErr {
			t.Errorf("%s: stderr %q, want %q", format, errOut.String(), wantErr)
		}
	}
}

func TestEmptyListsAreNullInJSON(t *testing.T) {
	var out bytes.Buffer
	p, err := New("json", &out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range []func() error{
		func() error { return p.Health(nil) },
		func() error { return p.Status(nil) },
		func() error { return p.HashKV(nil) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "null\nnull\nnull\n" {
		t.Errorf("got %q", out.String())
	}
}
