package workload

import (
	"fmt"
	"strconv"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

// Counters raises numbers and lengthens lists: each change is made of what was read, under the condition that it still is so. A
// number counts the changes of its key, so one that was lost or done twice shows in the number alone.
//
// A number is written "17 c3-000042" and a list "c1-000007,c3-000043": behind the number, and at the end, stands what only one client
// writes.
type Counters struct {
	// Clients is how many there are; 0: 6. Keys is how many numbers and how many lists there are; 0: 2. Rate is how many calls each
	// client makes a second; 0: 25.
	Clients, Keys int
	Rate          float64
	// Plain lets all clients speak to members directly. Otherwise every second one does so through the client that quoin ships, which
	// repeats calls by its own judgement.
	Plain bool
}

// Name is "counters".
func (Counters) Name() string { return "counters" }

const (
	counterPrefix = "counters/"
	// maxList is how long a list gets before it begins again, in bytes.
	maxList = 600
)

func (k Counters) bodies() []body {
	return paced(or(k.Clients, 6), or(k.Rate, 25), func(c *client, i int) {
		n := &counter{client: c, keys: or(k.Keys, 2), known: map[string]*mvccpb.KeyValue{}}
		if i%2 == 1 && !k.Plain {
			if n.through = c.library(); n.through == nil {
				return // the load is over
			}
			defer n.through.close()
		}
		for c.next() {
			n.step()
		}
	})
}

// counter is one client with what it knows of the keys: what a change has left, or a failed one has shown.
type counter struct {
	*client
	keys    int
	known   map[string]*mvccpb.KeyValue
	through *library // nil: none
}

func (n *counter) step() {
	sort := []string{"n", "list"}[n.random.IntN(2)]
	key := fmt.Sprint(counterPrefix, sort, n.random.IntN(n.keys))
	old, known := n.known[key]
	if !known || n.chance(8) {
		n.look(key)
		return
	}
	value := n.raised(old)
	if sort == "list" {
		value = n.lengthened(old)
	}
	n.write(key, old, value)
}

func (n *counter) raised(old *mvccpb.KeyValue) string {
	number, _, _ := strings.Cut(string(old.GetValue()), " ")
	count, _ := strconv.Atoi(number) // 0 of a key that is not there
	return fmt.Sprintf("%d %s", count+1, n.value())
}

func (n *counter) lengthened(old *mvccpb.KeyValue) string {
	if old == nil || len(old.Value) > maxList {
		return n.value()
	}
	return string(old.Value) + "," + n.value()
}

func (n *counter) look(key string) {
	r := getRequest(key)
	a, err := n.readVia(r)
	if err == nil {
		n.learn(key, a)
	}
}

func (n *counter) learn(key string, a *pb.RangeResponse) {
	n.known[key] = nil
	if len(a.GetKvs()) > 0 {
		n.known[key] = a.Kvs[0]
	}
}

// write makes a change if the key is as it was. What comes of one that was not answered is not known, so the key is not, either.
func (n *counter) write(key string, old *mvccpb.KeyValue, value string) {
	condition := compareModRevision(key, old.GetModRevision())
	if old != nil && n.chance(3) {
		condition = compareValue(key, old.Value)
	}
	a, err := n.writeVia(guarded(key, condition, putOp(putRequest(key, value))))
	switch {
	case err != nil:
		delete(n.known, key)
	case a.Succeeded:
		n.known[key] = &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), ModRevision: a.Header.GetRevision()}
	case len(a.Responses) > 0:
		n.learn(key, a.Responses[0].GetResponseRange())
	}
}

func (n *counter) readVia(r *pb.RangeRequest) (*pb.RangeResponse, error) {
	if n.through != nil {
		return n.through.read(r)
	}
	return n.read(r)
}

func (n *counter) writeVia(r *pb.TxnRequest) (*pb.TxnResponse, error) {
	if n.through != nil {
		return n.through.txn(r)
	}
	return n.txn(r)
}
