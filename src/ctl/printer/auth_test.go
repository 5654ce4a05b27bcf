package printer_test

import (
	"bytes"
	"testing"

	"quoin.dev/client"
	"quoin.dev/ctl/permission"
	"quoin.dev/ctl/printer"
)

// Who may do what is a question that etcdctl does not answer, so that there is no capture.
func TestVerdict(t *testing.T) {
	v := printer.Verdict{
		User: "u", Action: "get", Access: client.PermRead, Key: []byte("a"), RangeEnd: []byte{0}, Roles: []string{"r"}, AuthEnabled: true,
		Verdict: permission.Verdict{
			By:      []permission.Grant{{Role: "r", Permission: &client.Permission{Key: []byte("a"), RangeEnd: []byte("c")}}},
			Missing: []byte("c"),
		},
	}
	for format, want := range map[string]string{
		"simple": "u may not get [a, <open ended>\n\trole r has READ on [a, c)\n\tnone of the roles r has READ from c on\n",
		"json": `{"user":"u","roles":["r"],"action":"get","key":"YQ==","range_end":"AA==","granted":false,` +
			`"by":[{"role":"r","perm":{"key":"YQ==","range_end":"Yw=="}}],"missing":"Yw==","authEnabled":true}` + "\n",
	} {
		var out bytes.Buffer
		p, err := printer.New(format, &out, printer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Verdict(v); err != nil || out.String() != want {
			t.Errorf("%s: printed %q, %v, want %q", format, out.String(), err, want)
		}
	}
}

// What is no text is quoted: a prefix of nothing begins with a zero byte.
func TestVerdictAboutAllKeys(t *testing.T) {
	v := printer.Verdict{
		User: "u", Action: "get", Access: client.PermRead, Key: []byte{0}, RangeEnd: []byte{0}, Roles: []string{"r"}, AuthEnabled: true,
		Verdict: permission.Verdict{Missing: []byte{0}},
	}
	var out bytes.Buffer
	p, err := printer.New("simple", &out, printer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "u may not get [\"\\x00\", <open ended>\n\tnone of the roles r has READ from \"\\x00\" on\n"
	if err := p.Verdict(v); err != nil || out.String() != want {
		t.Errorf("printed %q, %v, want %q", out.String(), err, want)
	}
}

func TestIntervalsOfPermissions(t *testing.T) {
	for _, c := range []struct{ key, end, want string }{
		{"a", "", "a"}, {"a", "b", "[a, b) (prefix a)"}, {"a", "c", "[a, c)"}, {"a", "\x00", "[a, <open ended>"},
		{"", "\x00", "[, <open ended>"}, {"\xff", "\x00", "[\xff, <open ended> (prefix \xff)"}, {"k\xff", "l", "[k\xff, l) (prefix k\xff)"},
	} {
		var out bytes.Buffer
		p, err := printer.New("simple", &out, printer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		perm := &client.Permission{Key: []byte(c.key), RangeEnd: []byte(c.end)}
		if err := p.RoleGet("r", &client.AuthRoleGetResponse{Perm: []*client.Permission{perm}}); err != nil {
			t.Fatal(err)
		}
		if want := "Role r\nKV Read:\n\t" + c.want + "\nKV Write:\n"; out.String() != want {
			t.Errorf("printed %q, want %q", out.String(), want)
		}
	}
}
