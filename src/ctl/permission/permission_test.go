package permission_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"quoin.dev/client"
	"quoin.dev/ctl/permission"
)

func perm(of string) *client.Permission {
	words := strings.Split(of, " ")
	kinds := map[string]client.PermissionType{"r": client.PermRead, "w": client.PermWrite, "rw": client.PermReadWrite}
	p := &client.Permission{PermType: kinds[words[0]], Key: []byte(words[1])}
	if len(words) > 2 {
		p.RangeEnd = []byte(strings.ReplaceAll(words[2], "open", "\x00"))
	}
	return p
}

func role(name string, permissions ...string) permission.Role {
	r := permission.Role{Name: name}
	for _, p := range permissions {
		r.Permissions = append(r.Permissions, perm(p))
	}
	return r
}

func TestCheck(t *testing.T) {
	roles := []permission.Role{
		role("one", "r a", "rw b d", "w z open"),
		role("two", "r d f", "r c", "r b c", "r x y"),
		role("three", "r f\x00 h"),
	}
	for _, c := range []struct {
		access   client.PermissionType
		key, end string
		by       string // names of roles, "" = not granted
		missing  string
	}{
		{client.PermRead, "a", "", "one", ""},
		{client.PermRead, "a\x00", "", "", "a\x00"},
		{client.PermWrite, "a", "", "", "a"},
		{client.PermRead, "b", "", "one", ""}, // the one that goes farther
		{client.PermRead, "b", "f", "one two", ""},
		{client.PermRead, "b", "g", "", "f"}, // between two and three
		{client.PermRead, "a", "b", "", "a\x00"},
		{client.PermWrite, "b", "f", "", "d"},
		{client.PermWrite, "zz", "\x00", "one", ""},
		{client.PermWrite, "y", "\x00", "", "y"},
		{client.PermRead, "x", "\x00", "", "y"},
		{client.PermRead, "c", "", "one", ""},
	} {
		v := permission.Check(roles, c.access, []byte(c.key), []byte(c.end))
		var by []string
		for _, g := range v.By {
			by = append(by, g.Role)
		}
		got := ""
		if v.Granted {
			got = strings.Join(by, " ")
		}
		if got != c.by || string(v.Missing) != c.missing || v.Granted != (c.by != "") {
			t.Errorf("%v %q %q: granted %v by %q, missing %q", c.access, c.key, c.end, v.Granted, by, v.Missing)
		}
	}
	if v := permission.Check([]permission.Role{role("root")}, client.PermWrite, []byte("a"), []byte{0}); !v.Granted || v.By[0].Role != "root" {
		t.Errorf("root: %+v", v)
	}
	if v := permission.Check(nil, client.PermRead, []byte("a"), nil); v.Granted || string(v.Missing) != "a" {
		t.Errorf("nobody: %+v", v)
	}
}

// Random permissions over a few keys against a decision that looks at one key after the other.
func TestCheckAgainstEveryKey(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	const keys = "abcdefgh"
	place := func() string { return keys[random.IntN(len(keys)):][:1] }
	interval := func() (key, end string) {
		switch key = place(); random.IntN(3) {
		case 0:
			return key, ""
		case 1:
			return key, "\x00"
		default:
			return key, place() + "\x00" // may be before the key, then it is empty
		}
	}
	// Between two keys of the interval there is one that a permission for a single key does not cover.
	var all []string
	for _, k := range keys {
		all = append(all, string(k), string(k)+"\x00", string(k)+"\x01")
	}
	within := func(k, key, end string) bool {
		switch end {
		case "":
			return k == key
		case "\x00":
			return k >= key
		}
		return k >= key && k < end
	}
	for range 3000 {
		var roles []permission.Role
		for i := range random.IntN(4) {
			r := permission.Role{Name: string(rune('0' + i))}
			for range random.IntN(4) {
				key, end := interval()
				r.Permissions = append(r.Permissions, &client.Permission{
					PermType: client.PermissionType(random.IntN(3)), Key: []byte(key), RangeEnd: []byte(end),
				})
			}
			roles = append(roles, r)
		}
		key, end := interval()
		if end != "" && end != "\x00" && end <= key {
			continue
		}
		access := client.PermissionType(random.IntN(2))
		missing, found := "", false
		for _, k := range all {
			covered := false
			for _, r := range roles {
				for _, p := range r.Permissions {
					covered = covered || (p.PermType == access || p.PermType == client.PermReadWrite) && within(k, string(p.Key), string(p.RangeEnd))
				}
			}
			if within(k, key, end) && !covered && !found {
				missing, found = k, true
			}
		}
		v := permission.Check(roles, access, []byte(key), []byte(end))
		if v.Granted == found || string(v.Missing) != missing {
			t.Fatalf("seed %d: %v %q %q with %+v: granted %v, missing %q, want %q", seed, access, key, end, roles, v.Granted, v.Missing, missing)
		}
	}
}
