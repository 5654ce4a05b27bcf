package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
)

// clusterScript is every command that looks after a cluster. Each line is run by both programs. {new} is the id of the member that
// was added and not started, {m0} that of the first member, {dir} a folder, {port} another each time, since the id of a new
// member is made of its URLs and the second, and an id that was removed is refused; what a line adds is removed before the next.
func clusterScript() []string {
	lines := []string{
		"member add", "member add x", "member add x y", "member add x http://h:1", "member add x --peer-urls=bad",
		"member add x --peer-urls=http://h:1/path", "member add x --peer-urls=http://h", "member add x --peer-urls=http://h:x",
		"member add m1 --learner --peer-urls={m0peer}", "member add x -w nonsense --peer-urls=http://h:1",
		"member remove", "member remove zz", "member remove ffff", "member remove 1 2", "member update", "member update {m0}",
		"member update ffff --peer-urls=http://127.0.0.1:1", "member update {m0} --peer-urls=bad", "member promote", "member promote ffff",
		"member promote {m0}", "move-leader", "move-leader zz", "move-leader ffff", "alarm list x", "alarm disarm x",
		"downgrade validate", "downgrade validate 3.5", "downgrade validate 3.7", "downgrade validate 3", "downgrade validate abc", "downgrade validate 3.6 3.5",
		"downgrade enable", "downgrade enable 3.5", "snapshot save", "snapshot save a b", "snapshot save {dir}/x.db", "defrag --cluster", "defrag x",
		"defrag --endpoints=127.0.0.1:1 --command-timeout=200ms", "move-leader {m0} --endpoints=127.0.0.1:1 --command-timeout=200ms",
		"alarm list --endpoints=127.0.0.1:1 --command-timeout=200ms", "make-mirror", "make-mirror a b", "check perf --load=nonsense",
		"check datascale --load=nonsense", "check perf --prefix=k", "check datascale --prefix=k",
		"make-mirror a --dest-prefix=x --no-dest-prefix", "make-mirror 127.0.0.1:1 --dest-cert=/nonexistent",
		"make-mirror 127.0.0.1:1 --dest-cacert=/nonexistent",
	}
	for _, format := range []string{"simple", "json", "fields", "table", "protobuf", "json --hex", "fields --hex"} {
		for _, command := range []string{
			"member add näw --learner --peer-urls=http://127.0.0.1:{port},http://127.0.0.1:1", "member update {new} --peer-urls=http://127.0.0.1:8",
			"member promote {new}", "member remove {new}", "move-leader {m0}", "alarm list", "alarm disarm", "downgrade validate 3.6", "downgrade cancel",
			"endpoint status --cluster", "endpoint hashkv --cluster",
		} {
			lines = append(lines, command+" -w "+format)
		}
	}
	return lines
}

// clusterVarying matches what differs between two runs of a line on one cluster: who answers, the id of a new member, and
// how much the log and the file have grown.
var clusterVarying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`"member_id":("[0-9a-f]+"|\d+)`), `"member_id":N`},
	{regexp.MustCompile(`"MemberID" : [0-9a-f]+\n("Revision" : \d+\n)?"RaftTerm" : \d+`), `"MemberID" : N`},
	{regexp.MustCompile(`transferred from +[0-9a-f]+`), "transferred from N"},
	{regexp.MustCompile(`"leader":\d+`), `"leader":N`},
	{regexp.MustCompile(`"Leader" : [0-9a-f]+`), `"Leader" : N`},
}

// stage is a cluster of etcd on which a script is played.
type stage struct {
	cluster *lab.Cluster
	c       *clientv3.Client
	dir     string
	port    int
	added   string // id of the member that the last line needed
}

func (s *stage) members(t *testing.T) []*clientMember {
	t.Helper()
	list := must[*clientv3.MemberListResponse](t)(s.c.MemberList(t.Context()))
	var out []*clientMember
	for _, m := range list.Members {
		out = append(out, &clientMember{m.ID, m.Name, m.PeerURLs})
	}
	return out
}

type clientMember struct {
	id       uint64
	name     string
	peerURLs []string
}

// prepare fills in a line, and adds the member that it needs.
func (s *stage) prepare(t *testing.T, line string) string {
	t.Helper()
	s.port++
	s.added = ""
	line = strings.ReplaceAll(line, "{port}", fmt.Sprint(s.port))
	leaderOf(t, s.cluster.Members...) // the last line may have moved leadership
	if strings.HasPrefix(line, "member") {
		s.settle(t)
	}
	if strings.Contains(line, "{new}") {
		url := fmt.Sprintf("http://127.0.0.1:%d", s.port)
		m := must[*clientv3.MemberAddResponse](t)(s.c.MemberAddAsLearner(t.Context(), []string{url}))
		s.added = fmt.Sprintf("%x", m.Member.ID)
		line = strings.ReplaceAll(line, "{new}", s.added)
		for _, one := range s.cluster.Members {
			listed(t, one) // then each has applied the addition
		}
	}
	for _, m := range s.members(t) {
		if m.name == "m0" {
			line = strings.NewReplacer("{m0}", fmt.Sprintf("%x", m.id), "{m0peer}", m.peerURLs[0], "{dir}", s.dir).Replace(line)
		}
	}
	return line
}

// settle waits until each member takes changes of membership: etcd wants to have been connected to the others for a while.
func (s *stage) settle(t *testing.T) {
	t.Helper()
	for _, m := range s.cluster.Members {
		awaitHealth(t, m, true)
	}
}

// reset removes what the last line has added.
func (s *stage) reset(t *testing.T) {
	t.Helper()
	for _, m := range s.members(t) {
		if m.name == "" {
			removeMember(t, s.cluster.Members[0], m.id)
		}
	}
}

// run plays a line and brings its output into a form that is the same for every run.
func (s *stage) run(t *testing.T, program, line string) string {
	t.Helper()
	line = s.prepare(t, line)
	var endpoints, pairs []string
	for _, m := range s.cluster.Members {
		endpoints = append(endpoints, m.Endpoint)
	}
	args := strings.Fields(line)
	if !strings.Contains(line, "--endpoints") {
		args = append([]string{"--endpoints=" + strings.Join(endpoints, ","), "--dial-timeout=20s", "--command-timeout=20s"}, args...)
	}
	o := lab.Run(t, program, "", args...)
	for _, m := range s.members(t) {
		if m.name == "" {
			pairs = append(pairs, fmt.Sprint(m.id), "NEW", fmt.Sprintf("%x", m.id), "NEW")
		}
	}
	s.reset(t)
	if s.added != "" { // the line may have removed it
		pairs = append(pairs, s.added, "NEW")
	}
	n := normalizer{ids: strings.NewReplacer(append(pairs, program, "CTL")...)}
	text := o.Stdout
	if strings.Contains(line, "-w protobuf") && o.Exit == 0 {
		text = s.decode(t, line, text)
	}
	for _, v := range clusterVarying {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return fmt.Sprintf("exit %d\n--- stdout\n%s--- stderr\n%s", o.Exit, sortedMembers(n.text(text)), n.text(usage(o.Stderr)))
}

// decode writes an encoded response as text.
func (s *stage) decode(t *testing.T, line, encoded string) string {
	t.Helper()
	for prefix, m := range map[string]interface {
		proto.Message
		GetHeader() *pb.ResponseHeader
	}{
		"member add": &pb.MemberAddResponse{}, "member update": &pb.MemberUpdateResponse{}, "member remove": &pb.MemberRemoveResponse{},
		"move-leader": &pb.MoveLeaderResponse{}, "alarm": &pb.AlarmResponse{}, "downgrade": &pb.DowngradeResponse{},
	} {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		if err := proto.Unmarshal([]byte(encoded), m); err != nil {
			t.Errorf("%s: %v in %q", line, err, encoded)
		}
		if h := m.GetHeader(); h != nil {
			h.MemberId, h.RaftTerm = 0, 0
		}
		return must[string](t)(jsonOf(m)) + "\n"
	}
	t.Errorf("%s prints an unexpected message", line)
	return ""
}

// jsonOf is the form that -w json has of a message about members.
func jsonOf(m proto.Message) (string, error) {
	b, err := json.Marshal(m)
	return string(b), err
}

// The lists of members are in the order of the ids, so that a new one has another place each time.
var (
	initialCluster = regexp.MustCompile(`ETCD_INITIAL_CLUSTER="(.*)"`)
	newFirst       = regexp.MustCompile(`\[\{"ID":"?NEW"?,[^{}]*\},`)
	newLater       = regexp.MustCompile(`,(\{"ID":"?NEW"?,[^{}]*\})`)
)

func sortedMembers(text string) string {
	text = initialCluster.ReplaceAllStringFunc(text, func(s string) string {
		pairs := strings.Split(initialCluster.FindStringSubmatch(s)[1], ",")
		slices.Sort(pairs)
		return "ETCD_INITIAL_CLUSTER=" + strings.Join(pairs, ",")
	})
	if m := newFirst.FindString(text); m != "" {
		return strings.Replace(text, m, "[", 1) + "new: " + strings.Trim(m, "[,") + "\n"
	}
	if m := newLater.FindStringSubmatch(text); m != nil {
		return strings.Replace(text, m[0], "", 1) + "new: " + m[1] + "\n"
	}
	return text
}

// TestClusterCommandLine runs each command about the cluster with etcdctl and with quoinctl on one cluster of etcd.
func TestClusterCommandLine(t *testing.T) {
	t.Parallel()
	if lab.Subject(t) != lab.Quoin {
		t.Skip("it is about quoinctl")
	}
	s := &stage{cluster: lab.PrepareCluster(t, 3, patient...), dir: t.TempDir(), port: 100}
	s.cluster.Start(t, lab.Etcd, lab.Etcd, lab.Etcd)
	speak(t, "3.7.0", s.cluster.Members...) // the status shows it, and a downgrade is judged by it
	s.c = lab.Client(t, s.cluster.Members...)
	must[*clientv3.PutResponse](t)(s.c.Put(t.Context(), "k", "is in the way of a check"))
	s.settle(t)
	for _, line := range clusterScript() {
		want, got := s.run(t, "etcdctl", line), s.run(t, "quoinctl", line)
		if got != want {
			t.Errorf("quoinctl %s prints\n%s\netcdctl prints\n%s", line, got, want)
		}
	}
}

// TestSnapshotSave saves one member with both programs; etcdutl takes the files for the same.
func TestSnapshotSave(t *testing.T) {
	t.Parallel()
	m := lab.StartOne(t, lab.Etcd)
	c := lab.Client(t, m)
	for i := range 500 {
		must[*clientv3.PutResponse](t)(c.Put(t.Context(), fmt.Sprintf("key/%d", i), strings.Repeat("value", 100)))
	}
	dir := t.TempDir()
	var hashes [2]struct{ Hash uint32 }
	for i, program := range []string{"etcdctl", "quoinctl"} {
		path := filepath.Join(dir, program)
		o := lab.Run(t, program, "", "--endpoints="+m.Endpoint, "snapshot", "save", path)
		if want := "Snapshot saved at " + path + "\nServer version 3.7.0\n"; o.Exit != 0 || o.Stdout != want {
			t.Fatalf("%s ends with %d, prints %q and %q", program, o.Exit, o.Stdout, o.Stderr)
		}
		utl(t, "etcdutl", path, &hashes[i], "hashkv")
		info, err := os.Stat(path)
		if err != nil || info.Size()%512 != 32 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s leaves %+v, %v", program, info, err)
		}
		var status fileStatus
		utl(t, "etcdutl", path, &status, "snapshot", "status")
		if status.Revision != 501 || status.TotalKey == 0 {
			t.Errorf("%s: %+v", program, status)
		}
	}
	if hashes[0] != hashes[1] || hashes[0].Hash == 0 {
		t.Errorf("hashes are %v", hashes)
	}
}
