package interop

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
)

// step is one command of a script. Commands of a script build on each other.
type step struct {
	args, stdin string
	binary      proto.Message // what -w protobuf prints
}

// ctlScript is every command for keys, transactions, compaction, endpoints and members, in every output format.
func ctlScript() []step {
	steps := []step{
		{args: "put k/1 one"}, {args: "put k/2", stdin: "two from stdin"}, {args: "put k/3 three --prev-kv"}, {args: "put k/3 drei --prev-kv"},
		{args: "put k/3 --ignore-lease vier"}, {args: "put k/3 --ignore-value"}, {args: "put missing --ignore-value"}, {args: "put k/4 x --lease=1234"},
		{args: "put"}, {args: "put -- -k -v"}, {args: "get -- -k"}, {args: "put empty", stdin: ""},
		{args: "get k/1"}, {args: "get k/1 --print-value-only"}, {args: "get k/ --prefix"}, {args: "get k/ --prefix --keys-only"},
		{args: "get k/ --prefix --count-only"}, {args: "get k/ --prefix --count-only --write-out=fields"}, {args: "get k/2 --from-key"},
		{args: "get k/1 k/3"}, {args: "get k/ --prefix --order=DESCEND --sort-by=KEY"}, {args: "get k/ --prefix --sort-by=MODIFY --order=ascend"},
		{args: "get k/ --prefix --sort-by=nothing"}, {args: "get k/ --prefix --limit=2"}, {args: "get k/3 --rev=4"}, {args: "get k/3 --rev=99"},
		{args: "get k/3 --consistency=s"}, {args: "get k/3 --consistency=x"}, {args: "get k/1 --hex"}, {args: "get --prefix --from-key k"}, {args: "get"}, {args: "get missing"},
		{args: "get k/ --prefix --min-mod-rev=4 --max-create-rev=9"},
		{args: "txn", stdin: "ver(\"k/1\") > \"0\"\nval(\"k/2\") = \"two from stdin\"\n\nput k/5 \"f i v e\"\nget k/5\ndel k/1\n\nget k/1\n\n"},
		{args: "txn", stdin: "mod(\"k/1\") > \"0\"\n\nput k/1 no\n\nput k/1 again\nget k/ --prefix\n\n"},
		{args: "txn --interactive", stdin: "create(\"k/9\") = \"0\"\n\nput k/9 nine\n\n\n"},
		{args: "txn -w json", stdin: "\nget k/9\nput k/8 8\ndel k/ --prefix --prev-kv\n\n\n"},
		{args: "txn", stdin: "ver(k) ? 1\n\n\n\n"}, {args: "txn", stdin: "\nfly k\n\n\n"}, {args: "txn", stdin: "\nput a 1\nput a 2\n\n\n"},
		{args: "put d/1 1"}, {args: "put d/2 2"}, {args: "put d/3 3"}, {args: "put d/4 4"},
		{args: "del d/1"}, {args: "del d/1"}, {args: "del d/2 --prev-kv"}, {args: "del d/3 d/4"}, {args: "del d/ --prefix --prev-kv"}, {args: "del d/9 --from-key"}, {args: "del"},
		{args: "compaction 5"}, {args: "compaction 5"}, {args: "compaction 8 --physical"}, {args: "compaction 9999"}, {args: "compaction x"}, {args: "compaction"},
		{args: "get k/1 --rev=3"}, {args: "get k/1 -w nonsense"}, {args: "nonsense"},
		{args: "-w protobuf put p 1", binary: &pb.PutResponse{}}, {args: "-w protobuf get p --prefix", binary: &pb.RangeResponse{}},
		{args: "-w protobuf del p", binary: &pb.DeleteRangeResponse{}}, {args: "-w protobuf member list", binary: &pb.MemberListResponse{}},
		{args: "-w protobuf txn", stdin: "\nput q 1\nget q\n\n\n", binary: &pb.TxnResponse{}},
	}
	for _, format := range []string{"simple", "table", "fields", "json"} {
		for _, command := range []string{
			"put w/1 1", "put w/1 2 --prev-kv", "get w/ --prefix", "get w/ --prefix --keys-only", "get w/ --prefix --count-only", "del w/ --prefix --prev-kv", "compaction 9999",
			"member list", "endpoint status", "endpoint health", "endpoint hashkv", "endpoint hashkv --rev=20",
		} {
			steps = append(steps, step{args: command + " -w " + format})
		}
		steps = append(steps, step{args: "txn -w " + format, stdin: "\nput w/2 x\nget w/2\ndel w/2\n\n\n"})
	}
	return append(steps, step{args: "member list -w json --hex"}, step{args: "get k/ --prefix -w json --hex"})
}

// varying matches what differs between two runs of one script against one server.
var varying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?m)^\{"level":.*\n`), ""}, // log lines of the client
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`\d+(\.\d+)?(ms|µs|s)\b`), "TIME"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?) ([kM]?B), (\d+(\.\d+)?) ([kM]?B), \d+%`), "SIZE, SIZE, PERCENT"},
	{regexp.MustCompile(`│ +(\d+(\.\d+)?) ([kM]?B) │ +(\d+(\.\d+)?) ([kM]?B) │ +\d+%`), "│ SIZE │ SIZE │ PERCENT"},
	{regexp.MustCompile(`(true|false), (true|false), \d+, \d+, \d+`), "$1, $2, TERM, INDEX, INDEX"},
	{regexp.MustCompile(`(true|false) │ +(true|false) │ +\d+ │ +\d+ │ +\d+`), "$1 │ $2 │ TERM │ INDEX │ INDEX"},
	{regexp.MustCompile(`"(RaftTerm|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse)" : \d+`), `"$1" : N`},
	{regexp.MustCompile(`"(raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse)":\d+`), `"$1":N`},
	{regexp.MustCompile(`─+`), "─"}, // columns are as wide as what was replaced
	{regexp.MustCompile(` {2,}`), " "},
}

// normalizer also knows the ids of one cluster.
type normalizer struct{ ids *strings.Replacer }

func newNormalizer(t *testing.T, m *lab.Member, program string) normalizer {
	t.Helper()
	header := must[*pb.StatusResponse](t)(pb.NewMaintenanceClient(m.Conn(t)).Status(t.Context(), &pb.StatusRequest{})).Header
	var pairs []string
	for _, id := range []struct {
		n    uint64
		name string
	}{{header.ClusterId, "CLUSTER"}, {header.MemberId, "MEMBER"}} {
		pairs = append(pairs, fmt.Sprint(id.n), id.name, fmt.Sprintf("%x", id.n), id.name)
	}
	return normalizer{ids: strings.NewReplacer(append(pairs, program, "CTL")...)}
}

func (n normalizer) text(s string) string {
	s = n.ids.Replace(s)
	for _, v := range varying {
		s = v.pattern.ReplaceAllString(s, v.with)
	}
	return s
}

// output is a run in comparable form.
func (n normalizer) output(t *testing.T, s step, o lab.Output) string {
	t.Helper()
	stdout := o.Stdout
	if s.binary != nil {
		m := s.binary.ProtoReflect().New().Interface()
		if err := proto.Unmarshal([]byte(stdout), m); err != nil {
			t.Errorf("%s: %v in %q", s.args, err, stdout)
		}
		stdout = strings.ReplaceAll(prototext.MarshalOptions{Multiline: true}.Format(m), "  ", " ")
		stdout = regexp.MustCompile(`raft_term:\s*\d+`).ReplaceAllString(stdout, "raft_term: N")
	}
	return fmt.Sprintf("exit %d\n--- stdout\n%s--- stderr\n%s", o.Exit, n.text(stdout), n.text(usage(o.Stderr)))
}

// usage cuts the help that cobra prints after a wrong command line: each program's is its own.
func usage(stderr string) string {
	for _, mark := range []string{"\nUsage:", "\nRun '"} {
		if i := strings.Index(stderr, mark); i >= 0 {
			stderr = stderr[:i+1]
		}
	}
	return stderr
}

func play(t *testing.T, program string, m *lab.Member) []string {
	t.Helper()
	speak(t, "3.7.0", m) // the status shows it
	n := newNormalizer(t, m, program)
	var out []string
	for _, s := range ctlScript() {
		args := append([]string{"--endpoints=" + m.Endpoint, "--dial-timeout=20s", "--command-timeout=20s"}, strings.Fields(s.args)...)
		out = append(out, n.output(t, s, lab.Run(t, program, s.stdin, args...)))
	}
	return out
}

// TestCommandLine plays one script with etcdctl against etcd, and expects the same output from etcdctl against the server
// under test, and from quoinctl against both.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	comparePlays(t, play, ctlScript())
}

// comparePlays plays a script with each program against each server, every time on a member of its own.
func comparePlays(t *testing.T, play func(*testing.T, string, *lab.Member) []string, script []step, flags ...string) {
	want := play(t, "etcdctl", lab.StartOne(t, lab.Etcd, flags...))
	type pair struct {
		program string
		server  lab.Kind
	}
	pairs := []pair{{"etcdctl", lab.Subject(t)}}
	if lab.Subject(t) == lab.Quoin {
		pairs = append(pairs, pair{"quoinctl", lab.Etcd}, pair{"quoinctl", lab.Quoin})
	}
	for _, p := range pairs {
		t.Run(p.program+"-"+string(p.server), func(t *testing.T) {
			t.Parallel()
			got := play(t, p.program, lab.StartOne(t, p.server, flags...))
			for i, s := range script {
				if got[i] != want[i] {
					t.Errorf("%s %s (standard input %q) prints\n%s\netcdctl against etcd prints\n%s", p.program, s.args, s.stdin, got[i], want[i])
				}
			}
		})
	}
}
