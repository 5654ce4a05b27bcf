package transcript

import (
	"strings"
	"testing"
)

func TestFilesOfClustersCanBeReplayed(t *testing.T) {
	for file, members := range map[string]int{Cluster: 3, NoQuorum: 3, NoSpace: 1} {
		records, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		if c := capturedCast(records); len(c.players) != members || c.cluster == 0 || c.players[0].client == "" || c.players[0].name != "one" {
			t.Errorf("%s: %+v", file, c)
		}
		for i, reason := range Omitted(file) {
			if i >= len(records) || reason == "" {
				t.Errorf("%s[%d] is omitted for the reason %q", file, i, reason)
			}
		}
	}
}

var (
	wasCast = cast{cluster: 0xabc0000000000001, players: []player{
		{id: 0xb000000000000011, name: "one", called: "m1", client: "127.0.0.1:1001", peer: "127.0.0.1:1002"},
		{id: 0xc000000000000012, name: "two", called: "m2", client: "127.0.0.1:1003", peer: "127.0.0.1:1004"},
	}}
	isCast = cast{cluster: 0x7770000000000002, players: []player{
		{id: 0xfff2000000000013, name: "one", called: "m0", client: "127.0.0.1:5", peer: "127.0.0.1:6"},
		{id: 0xaaa1000000000014, name: "two", called: "m1", client: "127.0.0.1:7", peer: "127.0.0.1:8"},
	}}
)

// Two outputs are the same in canonical form when they say the same about their clusters, and only then.
func TestCanonical(t *testing.T) {
	for name, c := range map[string]struct {
		was, is string
		differ  bool
	}{
		"lines in another order": {
			was: "b000000000000011, started, m1, http://127.0.0.1:1002, http://127.0.0.1:1001, false\nc000000000000012, started, m2, http://127.0.0.1:1004, http://127.0.0.1:1003, false\n",
			is:  "aaa1000000000014, started, m1, http://127.0.0.1:8, http://127.0.0.1:7, false\nfff2000000000013, started, m0, http://127.0.0.1:6, http://127.0.0.1:5, false\n",
		},
		"a member is missing": {was: "b000000000000011, started, m1, x\nc000000000000012, started, m2, x\n", is: "fff2000000000013, started, m0, x\n", differ: true},
		"a list in JSON": {
			was: `{"header":{"cluster_id":12375891776014123009,"member_id":13835058055282163730,"raft_term":2},"members":[{"ID":12682136550675316753,"name":"m1"},{"ID":13835058055282163730,"name":"m2"}]}` + "\n",
			is:  `{"header":{"cluster_id":8606378887905017858,"member_id":18442803424035602451,"raft_term":9},"members":[{"ID":12295108457698164756,"name":"m1"},{"ID":18442803424035602451,"name":"m0"}]}` + "\n",
		},
		"another field in a list": {
			was: `{"header":{},"members":[{"ID":12682136550675316753,"name":"m1"}]}` + "\n", is: `{"header":{},"members":[{"ID":18442803424035602451,"name":"m0","isLearner":true}]}` + "\n",
			differ: true,
		},
		"variables": {
			was: `ETCD_INITIAL_CLUSTER="m1=http://127.0.0.1:1002,m2=http://127.0.0.1:1004"` + "\n",
			is:  `ETCD_INITIAL_CLUSTER="m1=http://127.0.0.1:8,m0=http://127.0.0.1:6"` + "\n",
		},
		"another member":   {was: "Leadership transferred from b000000000000011 to c000000000000012\n", is: "Leadership transferred from fff2000000000013 to fff2000000000013\n", differ: true},
		"the same members": {was: "Leadership transferred from b000000000000011 to c000000000000012\n", is: "Leadership transferred from fff2000000000013 to aaa1000000000014\n"},
		"times":            {was: "member[127.0.0.1:1001]. took 12.3ms\n", is: "member[127.0.0.1:5]. took 1.2s\n"},
		"another sentence": {was: "OK\n", is: "ok\n", differ: true},
	} {
		t.Run(name, func(t *testing.T) {
			was, is := wasCast.canonical(c.was), isCast.canonical(c.is)
			if (was != is) != c.differ {
				t.Errorf("captured: %s\nserved:   %s", was, is)
			}
		})
	}
}

func TestMembersAreMet(t *testing.T) {
	s := &clusterStage{from: cast{players: wasCast.players}, to: cast{players: isCast.players}}
	s.meet("Member 1f00000000000015 added to cluster abc\n", "Member 9021000000000016 added to cluster 777\n")
	if got := s.from.recast("member remove 1f00000000000015 --endpoints 127.0.0.1:1003", &s.to); got != "member remove 9021000000000016 --endpoints 127.0.0.1:7" {
		t.Errorf("got %s", got)
	}
	s.meet(`{"members":[{"ID":12682136550675316753,"name":"m1"},{"ID":2233785415175766037},{"ID":32},{"ID":34}]}`, `{"members":[{"ID":10385582215693074454},{"ID":5044031582654955544}]}`)
	if len(s.from.players) != 3 || len(s.to.players) != 3 {
		t.Error("one new member was met twice, or one of two")
	}
	s.meet(`{"members":[{"ID":2233785415175766037},{"ID":2377900603251621911}]}`, `{"members":[{"ID":10385582215693074454},{"ID":5044031582654955544}]}`)
	if got := s.from.recast("2100000000000017", &s.to); got != "4600000000000018" {
		t.Errorf("got %s", got)
	}
}

func TestEncodedOutput(t *testing.T) {
	records, err := Load(Cluster)
	if err != nil {
		t.Fatal(err)
	}
	decoded := 0
	for i, r := range records {
		if !r.isProtobuf() {
			continue
		}
		stdout, err := r.stdout()
		if err != nil {
			t.Fatal(err)
		}
		text, err := decodeOutput(r.Argv, stdout)
		if err != nil || !strings.HasPrefix(text, "{") && !strings.Contains(strings.Join(r.Argv, " "), "defrag") {
			t.Errorf("record %d: %q, %v", i, text, err)
		}
		decoded++
	}
	if decoded < 8 {
		t.Errorf("%d records are encoded", decoded)
	}
	if _, err := decodeOutput([]string{"alarm"}, "\xff"); err == nil {
		t.Error("an answer that is none was decoded")
	}
}
