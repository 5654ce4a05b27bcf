package interop

import (
	"fmt"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
	"quoin.dev/quoin/e2e/interop/randomkv"
)

// writer puts random content into one member.
type writer struct {
	generator *randomkv.Generator
	compacted int64
}

func newWriter(seed uint64) *writer {
	w := &writer{generator: randomkv.New(seed), compacted: 0}
	w.generator.Valid = true
	return w
}

// write sends some requests. Not all of them succeed, since keys and revisions may be gone; how many do is checked.
func (w *writer) write(t *testing.T, m *lab.Member, requests int) {
	t.Helper()
	conn := m.Conn(t)
	good := 0
	for range requests {
		request := w.generator.Next()
		response, err := randomkv.Execute(t.Context(), conn, request)
		if err != nil {
			continue
		}
		good++
		w.generator.Observe(request, response)
		if c, ok := request.(*pb.CompactionRequest); ok {
			w.compacted = c.Revision
		}
	}
	if good < requests*3/4 {
		t.Fatalf("only %d of %d requests succeeded on %s", good, requests, m.Kind)
	}
}

func memberList(t *testing.T, m *lab.Member) *pb.MemberListResponse {
	t.Helper()
	list, err := pb.NewClusterClient(m.Conn(t)).MemberList(t.Context(), &pb.MemberListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	list.Header.RaftTerm = 0 // grows with every start
	return list
}

// TestDirectoryChangesHands lets one server write a directory, ends it, and opens the directory with the other; then back.
func TestDirectoryChangesHands(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, way := range [][2]lab.Kind{{subject, lab.Etcd}, {lab.Etcd, subject}} {
		for _, ending := range []string{"stop", "kill"} {
			t.Run(fmt.Sprintf("%s-%s-%s", way[0], ending, way[1]), func(t *testing.T) {
				t.Parallel()
				end := (*lab.Member).Stop
				if ending == "kill" {
					end = (*lab.Member).Kill
				}
				w := newWriter(seed(t))
				m := lab.StartOne(t, way[0])
				for range 2 {
					for _, next := range []lab.Kind{way[1], way[0]} {
						w.write(t, m, 250)
						before, members := readState(t, m, w.compacted), memberList(t, m)
						end(m, t)
						m.Start(t, next)
						expectState(t, m, before)
						if after := memberList(t, m); !proto.Equal(after, members) {
							t.Errorf("%s shows the members %v, before were %v", next, after, members)
						}
					}
				}
			})
		}
	}
}

// TestDirectoryWithManyEntries is about a directory with raft snapshots and several compactions behind it.
func TestDirectoryWithManyEntries(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, way := range [][2]lab.Kind{{subject, lab.Etcd}, {lab.Etcd, subject}} {
		t.Run(fmt.Sprintf("%s-%s", way[0], way[1]), func(t *testing.T) {
			t.Parallel()
			w := newWriter(seed(t))
			m := lab.StartOne(t, way[0], "--snapshot-count=100", "--snapshot-catchup-entries=50")
			w.write(t, m, 1500)
			before := readState(t, m, w.compacted)
			m.Kill(t)
			m.Start(t, way[1])
			expectState(t, m, before)
		})
	}
}
