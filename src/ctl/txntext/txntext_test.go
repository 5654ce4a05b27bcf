package txntext_test

import (
	"reflect"
	"slices"
	"testing"

	"quoin.dev/client"
	"quoin.dev/ctl/txntext"
)

// The expectations are what etcdctl 3.7.3 makes of the same lines.
func TestTokens(t *testing.T) {
	for line, want := range map[string][]string{
		`get t1`:                  {"get", "t1"},
		"put\ta  b ":              {"put", "a", "b"},
		`put t3 "hello world"`:    {"put", "t3", "hello world"},
		`put t4 'single q'`:       {"put", "t4", "single q"},
		`"a""b"`:                  {"a", "b"},
		`'a'"b"c`:                 {"a", "b", "c"},
		`b"c"d`:                   {`b"c"d`},
		`x"a b"`:                  {`x"a`, `b"`},
		`"it's" 'it"s'`:           {"it's", `it"s`},
		`"q\"x" 'q\'x'`:           {`q"x`, `q\`, `x'`},
		`"\x41\u00e9\n\\" '\x41'`: {"Aé\n\\", `\x41`},
		`\x41 a\ b`:               {`\x41`, `a\`, "b"},
		`"" '' " "`:               {"", "", " "},
		`"unterminated\n x`:       {`unterminated\n`, "x"},
		`'un term`:                {"un", "term"},
		`"a\" b`:                  {`a\"`, "b"},
		`"`:                       nil,
		`put k "--prev-kv"`:       {"put", "k", "--prev-kv"},
		"`raw\\n`":                {"`raw\\n`"},
		"":                        nil,
	} {
		got, err := txntext.Tokens(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, error %v, want %q", line, got, err, want)
		}
	}
}

func TestTokensRefuseBadEscapes(t *testing.T) {
	for _, line := range []string{`"\400"`, `"\q"`, `put k "a\ b"`, `k "\'"`} {
		if _, err := txntext.Tokens(line); err == nil || err.Error() != "invalid syntax" {
			t.Errorf("%s: got error %v, want invalid syntax", line, err)
		}
	}
}

func TestCompare(t *testing.T) {
	for line, want := range map[string]client.Cmp{
		`value("t1") = "v1"`:    client.Compare(client.Value("t1"), "=", "v1"),
		`val("a(b") != "q\"x"`:  client.Compare(client.Value("a(b"), "!=", `q"x`),
		`val( "a")  <  "\x41"`:  client.Compare(client.Value("a"), "<", "A"),
		"val(`a`) > `1`":        client.Compare(client.Value("a"), ">", "1"),
		`val("a") = "d" extra`:  client.Compare(client.Value("a"), "=", "d"),
		`version("t1") = "1"`:   client.Compare(client.Version("t1"), "=", 1),
		`ver("t1") > "-1"`:      client.Compare(client.Version("t1"), ">", -1),
		`create("t1") > "0"`:    client.Compare(client.CreateRevision("t1"), ">", 0),
		`c("t1") < "+7"`:        client.Compare(client.CreateRevision("t1"), "<", 7),
		`mod("t1") > "0"`:       client.Compare(client.ModRevision("t1"), ">", 0),
		`m("t1") != "0"`:        client.Compare(client.ModRevision("t1"), "!=", 0),
		`lease("t1") = "0"`:     client.Compare(client.LeaseValue("t1"), "=", 0),
		`lease("t1") != "7b2a"`: client.Compare(client.LeaseValue("t1"), "!=", 0x7b2a),
	} {
		got, err := txntext.Compare(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", line, got, want)
		}
	}
}

func TestCompareErrors(t *testing.T) {
	for line, want := range map[string]string{
		`bad line`:           `malformed comparison: bad line`,
		`bad("t1") = "0"`:    `malformed comparison: bad("t1") = "0" (unknown target bad)`,
		`val ("a") = "1"`:    `malformed comparison: val ("a") = "1" (unknown target val )`,
		`("a") = "1"`:        `malformed comparison: ("a") = "1" (unknown target )`,
		`val("a") = x`:       `malformed comparison: val("a") = x; got val("a") = ""`,
		`val(a) = "x"`:       `malformed comparison: val(a) = "x"; got val("")  ""`,
		`val("a")="x"`:       `malformed comparison: val("a")="x"; got val("a")  ""`,
		`val("a") ="1"`:      `malformed comparison: val("a") ="1"; got val("a") ="1" ""`,
		`val("a"`:            `malformed comparison: val("a"; got val("a")  ""`,
		`val("t1") ~ "0"`:    `malformed comparison: val("t1") ~ "0" (unknown operator ~)`,
		`mod("a") >= "0"`:    `malformed comparison: mod("a") >= "0" (unknown operator >=)`,
		`mod("t1") = "abc"`:  `invalid txn compare request: mod("t1") = "abc"`,
		`mod("a") = ""`:      `invalid txn compare request: mod("a") = ""`,
		`mod("a") > "0x1"`:   `invalid txn compare request: mod("a") > "0x1"`,
		`lease("a") = "0xg"`: `invalid txn compare request: lease("a") = "0xg"`,
	} {
		if _, err := txntext.Compare(line); err == nil || err.Error() != want {
			t.Errorf("%s: got error %v\nwant %s", line, err, want)
		}
	}
}

// FuzzLine: whatever is typed is understood or refused with a reason.
func FuzzLine(f *testing.F) {
	for _, line := range []string{`put k "a\x00b"`, `get 'a b' --prefix`, `mod("k") > "3"`, `value("k") = "v"`, `lease("k") != "1a"`, `ver("`, `"\`, "c(\"\")=\""} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := txntext.Tokens(line)
		if err != nil && len(words) > 0 {
			t.Errorf("both %q and %v", words, err)
		}
		if cmp, err := txntext.Compare(line); err != nil && !reflect.DeepEqual(cmp, client.Cmp{}) {
			t.Errorf("both a comparison and %v", err)
		}
	})
}
