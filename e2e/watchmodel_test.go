package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	. "github.com/onsi/gomega"

	"quoin.dev/api/mvccpb"
	"quoin.dev/client"
)

// A turn is one transaction of a writer: it makes a key that stays, overwrites one, and makes and deletes a third in turn. The
// keys that stay tell afterwards which turns there were, in which order, and so every event that there must have been, with
// the values before: also of turns whose writer never got an answer.
const turns = "turns/"

// turn does the turn number i of a writer.
func turn(ctx context.Context, c *client.Client, writer, i int) error {
	n := strconv.Itoa(i)
	flip := client.OpPut(fmt.Sprint(turns, "flip/", writer), n)
	if i%2 == 1 {
		flip = client.OpDelete(fmt.Sprint(turns, "flip/", writer))
	}
	_, err := c.Txn(ctx).Then(
		client.OpPut(fmt.Sprintf("%sdone/%d/%d", turns, writer, i), n),
		client.OpPut(fmt.Sprint(turns, "same/", writer), n),
		flip,
	).Commit()
	return err
}

// happening is an event as a watcher tells it.
type happening struct {
	revision         int64
	deleted          bool
	key, value, prev string
}

func happeningOf(e *client.Event) happening {
	h := happening{revision: e.Kv.ModRevision, deleted: e.Type == client.EventTypeDelete, key: string(e.Kv.Key), value: string(e.Kv.Value)}
	if e.PrevKv != nil {
		h.prev = string(e.PrevKv.Value)
	}
	return h
}

// happened derives all events of the turns from the keys that stayed.
func happened(ctx context.Context, g Gomega, c *client.Client) (all []happening) {
	response, err := c.Get(ctx, turns+"done/", client.WithPrefix())
	g.Expect(err).NotTo(HaveOccurred())
	kvs := response.Kvs
	slices.SortFunc(kvs, func(a, b *mvccpb.KeyValue) int { return int(a.ModRevision - b.ModRevision) })
	before := map[string]string{}
	change := func(revision int64, deleted bool, key, value string) {
		prev, was := before[key]
		if deleted && !was {
			return // there is no event of a delete of nothing
		}
		all = append(all, happening{revision, deleted, key, value, prev})
		if before[key] = value; deleted {
			delete(before, key)
		}
	}
	for _, kv := range kvs {
		g.Expect(kv.Version).To(BeEquivalentTo(1), "a turn was done twice")
		writer, n, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), turns+"done/"), "/")
		i, err := strconv.Atoi(n)
		g.Expect(err).NotTo(HaveOccurred())
		change(kv.ModRevision, false, string(kv.Key), n)
		change(kv.ModRevision, false, turns+"same/"+writer, n)
		if i%2 == 1 {
			n = ""
		}
		change(kv.ModRevision, i%2 == 1, turns+"flip/"+writer, n)
	}
	return all
}

// kind is a kind of watch.
type kind struct {
	name             string
	opts             []client.OpOption
	prev             bool
	noPut, noDeleted bool
}

var kinds = []kind{
	{name: "plain"},
	{name: "with previous values", opts: []client.OpOption{client.WithPrevKV()}, prev: true},
	{name: "of deletes", opts: []client.OpOption{client.WithFilterPut(), client.WithPrevKV()}, prev: true, noPut: true},
	{name: "of puts", opts: []client.OpOption{client.WithFilterDelete(), client.WithProgressNotify()}, noDeleted: true},
	{name: "in fragments", opts: []client.OpOption{client.WithFragment(), client.WithPrevKV()}, prev: true},
}

// listener is a watch of the turns that keeps what it is told.
type listener struct {
	kind
	from int64 // the first revision of interest

	mu   sync.Mutex // guards what follows
	told []happening
	err  error
}

// listen watches from a revision on, or from now on if it is 0, and returns when the watch is made.
func listen(ctx context.Context, c *client.Client, k kind, from int64) *listener {
	l := &listener{kind: k, from: from}
	opts := append([]client.OpOption{client.WithPrefix(), client.WithRev(from), client.WithCreatedNotify()}, k.opts...)
	ch := c.Watch(ctx, turns, opts...)
	Eventually(ch, "30s").Should(Receive())
	go func() {
		for r := range ch {
			l.mu.Lock()
			for _, e := range r.Events {
				l.told = append(l.told, happeningOf(e))
			}
			if err := r.Err(); err != nil && ctx.Err() == nil {
				l.err = err
			}
			l.mu.Unlock()
		}
	}()
	return l
}

// seen is the newest revision that was told.
func (l *listener) seen() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told) == 0 {
		return 0
	}
	return l.told[len(l.told)-1].revision
}

// check compares what was told with what the kind of watch has to tell of all that happened.
func (l *listener) check(g Gomega, all []happening) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.Expect(l.err).NotTo(HaveOccurred(), l.name)
	var want []happening
	for _, h := range all {
		if !l.prev {
			h.prev = ""
		}
		if h.revision >= l.from && !(h.deleted && l.noDeleted) && !(!h.deleted && l.noPut) {
			want = append(want, h)
		}
	}
	for i := range min(len(want), len(l.told)) {
		g.Expect(l.told[i]).To(Equal(want[i]), "%s, from %d: event %d of %d", l.name, l.from, i, len(want))
	}
	g.Expect(l.told).To(HaveLen(len(want)), "%s, from %d", l.name, l.from)
}
