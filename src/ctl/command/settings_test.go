package command_test

import (
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
)

func TestVariablesSetFlags(t *testing.T) {
	s := startServer(t)
	r := runWith([]string{"ETCDCTL_ENDPOINTS=" + s.address, "ETCDCTL_HEX=true", "PATH=/bin"}, "", "get", "k")
	if r.code != 0 || r.stdout != "\\x6b\n\\x76\n" || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	// A flag of a parent command has a variable too, a flag of the command itself has none.
	env := []string{"ETCDCTL_ENDPOINTS=" + s.address, "ETCDCTL_CLUSTER=true", "ETCDCTL_REV=5"}
	r = runWith(env, "", "endpoint", "hashkv")
	if r.code != 0 || r.stdout != "http://"+s.address+", 5, 3\n" ||
		!strings.Contains(r.stderr, `"unrecognized environment variable","environment-variable":"ETCDCTL_REV=5"`) {
		t.Errorf("%+v", r)
	}
}

func TestVariableAndFlagTogetherAreRefused(t *testing.T) {
	s := startServer(t)
	for _, value := range []string{"127.0.0.1:1", ""} {
		r := runWith([]string{"ETCDCTL_ENDPOINTS=" + value}, "", "get", "k", "--endpoints", s.address)
		if r.code != 1 || !strings.HasPrefix(r.stderr, `{"level":"fatal"`) || !strings.Contains(r.stderr, "ETCDCTL_ENDPOINTS") {
			t.Errorf("%+v", r)
		}
	}
	checkAsked(t, s)
}

func TestBadVariablesAreReportedAndIgnored(t *testing.T) {
	s := startServer(t)
	for _, variable := range []string{"ETCDCTL_COMMAND_TIMEOUT=bad", "ETCDCTL_HEX=bad", "ETCDCTL_API=2", "ETCDCTL_KEY="} {
		r := runWith([]string{variable}, "", "get", "k", "--endpoints", s.address)
		if r.code != 0 || r.stdout != "k\nv\n" || !strings.Contains(r.stderr, variable) {
			t.Errorf("%s: %+v", variable, r)
		}
	}
}

func TestDebugWritesTheSettings(t *testing.T) {
	s := startServer(t)
	r := runWith([]string{"ETCDCTL_WRITE_OUT=json"}, "", "get", "k", "--debug", "--endpoints", s.address)
	for _, line := range []string{
		"ETCDCTL_COMMAND_TIMEOUT=5s\n", "ETCDCTL_ENDPOINTS=[" + s.address + "]\n", "ETCDCTL_INSECURE_TRANSPORT=true\n",
		"ETCDCTL_WRITE_OUT=json\n",
	} {
		if !strings.Contains(r.stderr, line) {
			t.Errorf("no line %q in %q", line, r.stderr)
		}
	}
}

func TestCredentials(t *testing.T) {
	for _, c := range []struct {
		args  string
		stdin string
		asked *pb.AuthenticateRequest
		token string
	}{
		{"--user a:b:c", "", &pb.AuthenticateRequest{Name: "a", Password: "b:c"}, "token of a"},
		{"--user a --password p", "", &pb.AuthenticateRequest{Name: "a", Password: "p"}, "token of a"},
		{"--user a", "p\nrest", &pb.AuthenticateRequest{Name: "a", Password: "p"}, "token of a"},
		{"--user a", "p", &pb.AuthenticateRequest{Name: "a", Password: "p"}, "token of a"},
		{"--user a:", "", nil, ""},
		{"--password p", "", nil, ""},
		{"--auth-jwt-token t", "", nil, "t"},
		{"--auth-jwt-token t --user a:b", "", nil, "t"},
	} {
		s := startServer(t)
		r := s.run(c.stdin, append([]string{"get", "k"}, strings.Fields(c.args)...)...)
		prompt := ""
		if c.stdin != "" {
			prompt = "Password: \n"
		}
		if r.code != 0 || r.stdout != prompt+"k\nv\n" {
			t.Errorf("%s: %+v", c.args, r)
		}
		if token := s.tokens[len(s.tokens)-1]; token != c.token {
			t.Errorf("%s: sent token %q, want %q", c.args, token, c.token)
		}
		get := &pb.RangeRequest{Key: []byte("k")}
		if c.asked == nil {
			checkAsked(t, s, get)
			continue
		}
		checkAsked(t, s, c.asked, get)
	}
}
