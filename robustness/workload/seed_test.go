package workload

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
)

// lonely are loads of one client each, so that its answers are the same on each new member.
var lonely = []Kind{
	Mixed{Clients: 1, Rate: 500}, Leases{Clients: 1, Rate: 500}, Locks{Clients: 1, Rate: 500},
	Counters{Clients: 1, Rate: 500}, Auth{Users: 2, Rate: 200, AdminRate: 200},
}

// compared is how many requests of each client are compared.
const compared = 40

func TestTheSameSeedAsksForTheSame(t *testing.T) {
	for _, kind := range lonely {
		t.Run(kind.Name(), func(t *testing.T) {
			t.Parallel()
			first, second := requestsOf(t, 11, kind), requestsOf(t, 11, kind)
			for client, requests := range first {
				// Who the load itself does not count, as those who lose their rights, may have asked for less.
				for i := range min(len(requests), len(second[client])) {
					if !proto.Equal(requests[i], second[client][i]) {
						t.Fatalf("client %d, request %d: %v, and then %v", client, i, requests[i], second[client][i])
					}
				}
			}
			if other := requestsOf(t, 12, kind); same(first, other) {
				t.Error("another seed asks for the same")
			}
		})
	}
}

func same(a, b map[int][]proto.Message) bool {
	for client := range a {
		if !slices.EqualFunc(a[client], b[client], func(a, b proto.Message) bool { return proto.Equal(a, b) }) {
			return false
		}
	}
	return true
}

// shortestLease is the least that a member grants.
const shortestLease = 2 * time.Second

// requestsOf are the first requests of each client of a load on a new member. What clients with leases ask for depends on whether these
// have run out: of what took that long nothing can be told.
func requestsOf(t *testing.T, seed uint64, kind Kind) map[int][]proto.Message {
	t.Helper()
	for range 10 {
		all, took := firstRequests(t, seed, kind)
		if (kind.Name() != "leases" && kind.Name() != "locks") || took < shortestLease {
			return all
		}
		t.Logf("the first requests took %v, in which leases may have run out", took)
	}
	t.Fatal("this machine is too slow for the leases of the load")
	return nil
}

func firstRequests(t *testing.T, seed uint64, kind Kind) (all map[int][]proto.Message, took time.Duration) {
	t.Helper()
	o := Options{Seed: seed, Targets: []Target{startMember(t).Target}, Password: "secret", Patient: true, WithoutLog: true}
	if auth, ok := kind.(Auth); ok {
		set := o
		set.Recorder = NewRecorder()
		if err := SetupAuth(t.Context(), set, auth); err != nil {
			t.Fatal(err)
		}
		o.User = rootName
	}
	clients := len(kind.bodies())
	all = map[int][]proto.Message{}
	loadFor(t, o, func(r *Recorder) bool {
		clear(all)
		enough := 0
		for _, op := range r.Operations() {
			if _, ok := op.Request.(*pb.AuthenticateRequest); ok {
				continue // when a token ends does not depend on the seed
			}
			if len(all[op.Client]) < compared {
				if all[op.Client] = append(all[op.Client], op.Request); len(all[op.Client]) == compared {
					enough++
				}
				took = max(took, op.Return)
			}
		}
		return enough == clients
	}, kind)
	return all, took
}

// With several clients, what a step compares with depends on the others, but not what kind of step it is.
func TestTheKindsOfStepsDependOnTheSeedAlone(t *testing.T) {
	kinds := func() map[int][]string {
		all := map[int][]string{}
		o := Options{Seed: 4, Targets: []Target{startMember(t).Target}, Patient: true, WithoutLog: true}
		loadFor(t, o, func(r *Recorder) bool {
			clear(all)
			for _, op := range r.Operations() {
				all[op.Client] = append(all[op.Client], fmt.Sprintf("%T", op.Request))
			}
			for _, client := range all {
				if len(client) < compared {
					return false
				}
			}
			return len(all) == 4
		}, Mixed{Clients: 4, Rate: 500})
		return all
	}
	first, second := kinds(), kinds()
	for client := range first {
		if a, b := first[client][:compared], second[client][:compared]; !slices.Equal(a, b) {
			t.Errorf("client %d: %v, and then %v", client, a, b)
		}
	}
}
