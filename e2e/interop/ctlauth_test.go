package interop

import (
	"regexp"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"quoin.dev/quoin/e2e/interop/lab"
)

// authScript is what the recorded sessions of e2e/transcript leave out of the commands about users and roles: odd arguments,
// prompts, and the order in which things are refused. Two apostrophes stand for an empty argument.
func authScript() []step {
	const root = " --user root:root-pw"
	steps := []step{
		{args: "role add r1"}, {args: "role add r1 x"}, {args: "role add r9 -w nonsense"}, {args: "role get -w nonsense"}, {args: "role list x"},
		{args: "role grant-permission r1 READ k"}, {args: "role grant-permission r1 ReadWrite k"}, {args: "role grant-permission r1 '' k"},
		{args: "role grant-permission r1 read k --prefix --from-key"}, {args: "role grant-permission r1 read k e --from-key"},
		{args: "role grant-permission r1 read k e f"}, {args: "role grant-permission r1 bad"}, {args: "role grant-permission r1 bad k --from-key --prefix"},
		{args: "role grant-permission r1 read k --from-key --prefix e"}, {args: "role grant-permission r1 read '' --from-key"},
		{args: "role grant-permission r1 write ''"}, {args: "role grant-permission r1 write '' b"}, {args: "role grant-permission r1 write a ''"},
		{args: "role grant-permission r1 read a c"}, {args: "role grant-permission r1 read a b"}, {args: "role grant-permission r1 write a b"},
		{args: "role grant-permission r1 readwrite \xff --prefix"}, {args: "role grant-permission r1 readwrite k\xff --prefix"},
		{args: "role revoke-permission r1 k"}, {args: "role revoke-permission r1 '' b"}, {args: "role revoke-permission r1 '' --prefix"},
		{args: "role revoke-permission r1 k e f"}, {args: "role revoke-permission r1 k e --prefix"}, {args: "role revoke-permission r1 k --prefix --from-key"},
		{args: "user add a:b c"}, {args: "user add a:"}, {args: "user add -w nonsense"}, {args: "user add a0", stdin: "\n\n"},
		{args: "user add a1", stdin: "p\nq\n"}, {args: "user add a2", stdin: "p\np\nrest"}, {args: "user add a2", stdin: "p\np\n"},
		{args: "user add a3 --interactive=false", stdin: "p"}, {args: "user add a4 --interactive=false"}, {args: "user add a5 --interactive=false", stdin: "p5\nx\n"},
		{args: "user add a6 --no-password --new-user-password=x"}, {args: "user add a7:x --new-user-password=y"}, {args: "user add '' --no-password"},
		{args: "user add :x --new-user-password=y"}, {args: "user add a9:pw --interactive=false"}, {args: "user add a10:pw:x"}, {args: "user add -- -x:y"},
		{args: "user passwd a5", stdin: "p\nq\n"}, {args: "user passwd a5", stdin: "p\n"}, {args: "user passwd a5 x"}, {args: "user passwd a5"},
		{args: "user passwd a9", stdin: "pw9\npw9\n"}, {args: "user passwd a6 --interactive=false", stdin: "x\n"}, {args: "user passwd '' --interactive=false"},
		{args: "user get a5 x"}, {args: "user get ''"}, {args: "user get a5 --detail"}, {args: "user delete a9 x"}, {args: "user delete ''"},
		{args: "user grant-role a5 r1 x"}, {args: "user grant-role a5 r1"}, {args: "user grant-role a5 r1"}, {args: "user grant-role a9 r1"},
		{args: "user revoke-role a5 r1 x"}, {args: "user list x"}, {args: "auth enable x"}, {args: "auth status x -w nonsense"}, {args: "auth enable -w nonsense"},
		{args: "auth status --hex -w json"}, {args: "-w protobuf role get r1", binary: &pb.AuthRoleGetResponse{}},
		{args: "-w protobuf user get a5", binary: &pb.AuthUserGetResponse{}}, {args: "-w protobuf user list", binary: &pb.AuthUserListResponse{}},
		{args: "-w protobuf auth status", binary: &pb.AuthStatusResponse{}}, {args: "role list", stdin: ""},
		{args: "user add root:root-pw"}, {args: "auth enable"},
		{args: "get x --user a5", stdin: "p5\n"}, {args: "get x --user a5", stdin: "wrong\n"}, {args: "get x --user a5:p5 --password wrong"}, {args: "get x --user a9 --password pw9"},
		{args: "put k\xffx 1 --user a9:pw9"}, {args: "put l 1 --user a9:pw9"}, {args: "get a --user a9:pw9"}, {args: "get a c --user a9:pw9"}, {args: "get a d --user a9:pw9"},
		{args: "put b 1 --prev-kv --user a9:pw9"}, {args: "del a b --user a9:pw9"}, {args: "del a b --prev-kv --user a9:pw9"}, {args: "del a c --user a9:pw9"},
		{args: "user passwd a9 --interactive=false --user a9:pw9", stdin: "mine"}, {args: "user get a9 --user a9:pw9"}, {args: "user get a5 --user a9:pw9"}, {args: "role get r1 --user a9:pw9"},
		{args: "role get r1 --user a4:"}, {args: "endpoint status --user a9:pw9 -w simple"}, {args: "compaction 2 --user a9:pw9"}, {args: "alarm disarm --user a9:pw9"},
		{args: "role delete r1" + root}, {args: "get a --user a9:pw9"}, {args: "user get a9" + root}, {args: "user revoke-role root root" + root}, {args: "user delete a9" + root},
		{args: "get a --user a9:pw9"}, {args: "auth enable" + root}, {args: "auth disable" + root}, {args: "auth status"}, {args: "role delete root"}, {args: "user delete root"}, {args: "auth enable"},
	}
	for _, format := range []string{"simple", "json", "fields", "table"} {
		for _, command := range []string{"user add f" + format + ":p", "user passwd f" + format + " --interactive=false", "role add f" + format, "role get r1", "role list", "user list", "user get a5"} {
			steps = append(steps, step{args: command + " -w " + format, stdin: "new\n"})
		}
	}
	return steps
}

// sttyComplaint is what etcdctl says on stderr about a stdin that is no terminal. Where quoinctl warns of a short password there is
// nothing in etcdctl.
var sttyComplaint = regexp.MustCompile(`(?m)^(stty: |Warning: a password of ).*\n`)

func playAuth(t *testing.T, program string, m *lab.Member) []string {
	t.Helper()
	speak(t, "3.7.0", m) // the status shows it
	n := newNormalizer(t, m, program)
	var out []string
	for _, s := range authScript() {
		args := []string{"--endpoints=" + m.Endpoint, "--dial-timeout=20s", "--command-timeout=20s"}
		for _, arg := range strings.Fields(s.args) {
			args = append(args, strings.ReplaceAll(arg, "''", ""))
		}
		o := lab.Run(t, program, s.stdin, args...)
		o.Stderr = sttyComplaint.ReplaceAllString(o.Stderr, "")
		out = append(out, n.output(t, s, o))
	}
	return out
}

// TestAuthCommandLine plays one script with etcdctl against etcd, and expects the same output from etcdctl against the server
// under test, and from quoinctl against both.
func TestAuthCommandLine(t *testing.T) {
	t.Parallel()
	comparePlays(t, playAuth, authScript(), "--bcrypt-cost=4")
}
