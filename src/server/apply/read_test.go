package apply

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/storage/mvcc"
)

func TestWhichTransactionsNeedTheLog(t *testing.T) {
	fresh, stale := op(get("a", 0)), op(&pb.RangeRequest{Key: []byte("a"), Serializable: true})
	for name, c := range map[string]struct {
		request              *pb.TxnRequest
		reads, staleAccepted bool
	}{
		"empty":                {txn(), true, false},
		"reads":                {txn(fresh, stale), true, false},
		"reads of the past":    {txn(stale, stale), true, true},
		"reads otherwise":      {&pb.TxnRequest{Success: []*pb.RequestOp{stale}, Failure: []*pb.RequestOp{fresh}}, true, false},
		"puts":                 {txn(fresh, op(put("a", ""))), false, false},
		"puts otherwise":       {&pb.TxnRequest{Success: []*pb.RequestOp{fresh}, Failure: []*pb.RequestOp{op(put("a", ""))}}, false, false},
		"deletes":              {txn(op(del("a"))), false, false},
		"nested, reading only": {txn(op(txn(fresh))), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			w.Expect(OnlyReads(c.request)).To(Equal(c.reads))
			if c.reads {
				w.Expect(OnlySerializable(c.request)).To(Equal(c.staleAccepted))
			}
		})
	}
}

func TestReadTxnAnswersLikeTheLog(t *testing.T) {
	m := comparedStore(t)
	m.putAll(t, "c", "1", "d", "1")
	removed(t, m.apply(entry(&pb.CompactionRequest{Revision: 4})))
	everything := &pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte{0}}
	for _, request := range []*pb.TxnRequest{
		txn(),
		txn(op(get("a", 0)), op(everything), op(get("none", 0))),
		txn(op(get("c", 4)), op(get("c", 5)), op(get("c", 6))),
		txn(op(&pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte{0}, Limit: 2, SortOrder: pb.RangeRequest_DESCEND})),
		txn(op(&pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte{0}, CountOnly: true})),
		txn(op(&pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte{0}, KeysOnly: true})),
		txn(op(get("a", 3))),
		txn(op(get("a", 7))),
		txn(op(everything), op(get("a", 99))),
		txn(op(get("a", -1))),
		{Compare: []*pb.Compare{compare("a", "", eq, version(2))}, Success: []*pb.RequestOp{op(get("c", 0))}, Failure: []*pb.RequestOp{op(get("d", 0))}},
		{Compare: []*pb.Compare{compare("a", "", eq, version(1))}, Success: []*pb.RequestOp{op(get("c", 0))}, Failure: []*pb.RequestOp{op(get("d", 0))}},
	} {
		t.Run(fmt.Sprint(request), func(t *testing.T) {
			w := NewWithT(t)
			logged := m.Apply(entry(request), m.index+1, true)
			read, err := m.ReadTxn(t.Context(), request)
			if logged.Err != nil {
				w.Expect(err).To(MatchError(logged.Err))
				return
			}
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(read.String()).To(Equal(logged.Response.(*pb.TxnResponse).String()))
		})
	}
}

// TestReadTxnSeesOneRevision reads two keys that are always written together, and their comparison, while a writer and
// compactions run.
func TestReadTxnSeesOneRevision(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	// The compactions stay a little behind, so that a reader does not lose its revision again and again.
	const behind, reads = 50, 300
	write := func(n int) {
		m.apply(entry(txn(op(put("a", fmt.Sprint(n))), op(put("b", fmt.Sprint(n))))))
		if n > behind && n%5 == 0 {
			m.apply(entry(&pb.CompactionRequest{Revision: m.KV.Revision() - behind}))
		}
	}
	write(0)
	done := make(chan struct{})
	errs := make(chan error, 2)
	for range cap(errs) {
		go func() {
			errs <- func() error {
				for range reads {
					request := txn(op(get("a", 0)), op(&pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("c")}), op(get("b", 0)))
					request.Compare = []*pb.Compare{compare("a", "c", gt, version(0))}
					r, err := m.ReadTxn(context.Background(), request)
					if err != nil {
						return err
					}
					a, both, b := r.Responses[0].GetResponseRange(), r.Responses[1].GetResponseRange(), r.Responses[2].GetResponseRange()
					kvs := append(append(a.Kvs, both.Kvs...), b.Kvs...)
					for _, kv := range kvs {
						if string(kv.Value) != string(kvs[0].Value) || kv.ModRevision > r.Header.Revision {
							return fmt.Errorf("expected all of it at revision %d, found %v", r.Header.Revision, kvs)
						}
					}
					if len(kvs) != 4 || !r.Succeeded || b.Header.Revision != r.Header.Revision {
						return fmt.Errorf("expected four pairs at one revision, found %v", r)
					}
				}
				return nil
			}()
		}()
	}
	go func() {
		defer close(done)
		for range cap(errs) {
			w.Expect(<-errs).NotTo(HaveOccurred())
		}
	}()
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		default:
			write(n)
		}
	}
}

// meddler is a context that lets something happen while a long range looks whether its caller is still there.
type meddler struct {
	context.Context
	meddle func()
}

func (m meddler) Err() error {
	m.meddle()
	return nil
}

// TestReadTxnStartsAgainWhenItsRevisionIsCompacted: the client asked for the present, and there is one.
func TestReadTxnStartsAgainWhenItsRevisionIsCompacted(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	for i := range 2000 { // more than one hold of the index
		m.Apply(entry(put(fmt.Sprintf("k%04d", i), "")), m.index+1, false)
	}
	m.putAll(t, "z", "1")
	request := txn(op(&pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l"), Limit: 1500}), op(get("z", 0)))
	overtake := func() {
		m.putAll(t, "z", "2", "z", "3")
		m.apply(entry(&pb.CompactionRequest{Revision: m.KV.Revision()}))
	}

	times := 0
	r, err := m.ReadTxn(meddler{t.Context(), func() {
		if times++; times == 1 {
			overtake()
		}
	}}, request)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(r.Header.Revision).To(Equal(m.KV.Revision()))
	w.Expect(r.Responses[0].GetResponseRange().Kvs).To(HaveLen(1500))
	w.Expect(r.Responses[1].GetResponseRange().Kvs[0].Value).To(BeEquivalentTo("3"))

	times = 0
	_, err = m.ReadTxn(meddler{t.Context(), func() { times++; overtake() }}, request)
	w.Expect(err).To(MatchError(mvcc.ErrCompacted), "it does not try for ever")
	w.Expect(times).To(Equal(readAttempts))
}
