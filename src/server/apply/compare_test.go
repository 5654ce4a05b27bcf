package apply

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
)

// Short forms of comparisons; end is empty for one key.

func compare(key, end string, result pb.Compare_CompareResult, target any) *pb.Compare {
	c := &pb.Compare{Key: []byte(key), RangeEnd: []byte(end), Result: result}
	switch v := target.(type) {
	case *pb.Compare_Version:
		c.Target, c.TargetUnion = pb.Compare_VERSION, v
	case *pb.Compare_CreateRevision:
		c.Target, c.TargetUnion = pb.Compare_CREATE, v
	case *pb.Compare_ModRevision:
		c.Target, c.TargetUnion = pb.Compare_MOD, v
	case *pb.Compare_Value:
		c.Target, c.TargetUnion = pb.Compare_VALUE, v
	case *pb.Compare_Lease:
		c.Target, c.TargetUnion = pb.Compare_LEASE, v
	case pb.Compare_CompareTarget:
		c.Target = v // nothing to compare with counts as zero
	}
	return c
}

func version(n int64) *pb.Compare_Version { return &pb.Compare_Version{Version: n} }
func created(n int64) *pb.Compare_CreateRevision {
	return &pb.Compare_CreateRevision{CreateRevision: n}
}
func modified(n int64) *pb.Compare_ModRevision { return &pb.Compare_ModRevision{ModRevision: n} }
func value(v string) *pb.Compare_Value         { return &pb.Compare_Value{Value: []byte(v)} }
func leased(id int64) *pb.Compare_Lease        { return &pb.Compare_Lease{Lease: id} }

const (
	eq = pb.Compare_EQUAL
	ne = pb.Compare_NOT_EQUAL
	gt = pb.Compare_GREATER
	lt = pb.Compare_LESS
)

// comparedStore is a store with the keys that the tables below compare: a is at version 2 and on lease 7, b is empty.
func comparedStore(t *testing.T) *machine {
	m := newMachine(t)
	must[pb.LeaseGrantResponse](t, m, entry(&pb.LeaseGrantRequest{ID: 7, TTL: 100}))
	m.putAll(t, "a", "1")
	must[pb.PutResponse](t, m, entry(&pb.PutRequest{Key: []byte("a"), Value: []byte("2"), Lease: 7}))
	m.putAll(t, "b", "")
	return m
}

// TestCompareWithNeighbours compares each number of a key with itself and with those beside it.
func TestCompareWithNeighbours(t *testing.T) {
	w := NewWithT(t)
	m := comparedStore(t)
	a := m.all(t, 0)[0]
	w.Expect(string(a.Key)).To(Equal("a"))
	for _, number := range []struct {
		of string
		is int64
		to func(int64) any
	}{
		{"version", a.Version, func(n int64) any { return version(n) }},
		{"create revision", a.CreateRevision, func(n int64) any { return created(n) }},
		{"mod revision", a.ModRevision, func(n int64) any { return modified(n) }},
		{"lease", a.Lease, func(n int64) any { return leased(n) }},
	} {
		for _, by := range []int64{-1, 0, 1} {
			for result, want := range map[pb.Compare_CompareResult]bool{eq: by == 0, ne: by != 0, gt: by < 0, lt: by > 0} {
				c := compare("a", "", result, number.to(number.is+by))
				response := must[pb.TxnResponse](t, m, entry(&pb.TxnRequest{Compare: []*pb.Compare{c}}))
				w.Expect(response.Succeeded).To(Equal(want), "the %s, %d, is %v %d", number.of, number.is, result, number.is+by)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	m := comparedStore(t)
	for _, c := range []struct {
		compare *pb.Compare
		want    bool
	}{
		{compare("a", "", eq, version(2)), true},
		{compare("a", "", gt, version(1)), true},
		{compare("a", "", gt, version(2)), false},
		{compare("a", "", lt, version(3)), true},
		{compare("a", "", ne, version(1)), true},
		{compare("a", "", eq, created(2)), true},
		{compare("a", "", eq, modified(3)), true},
		{compare("a", "", eq, leased(7)), true},
		{compare("a", "", eq, leased(0)), false},
		{compare("a", "", eq, value("2")), true},
		{compare("a", "", gt, value("10")), true}, // in the order of bytes
		{compare("a", "", lt, value("")), false},
		{compare("b", "", eq, value("")), true},
		{compare("b", "", eq, pb.Compare_VALUE), true},
		{compare("b", "", eq, pb.Compare_LEASE), true},

		// A key that does not exist is zero in every respect, but has no value at all.
		{compare("none", "", eq, version(0)), true},
		{compare("none", "", eq, created(0)), true},
		{compare("none", "", eq, modified(0)), true},
		{compare("none", "", eq, leased(0)), true},
		{compare("none", "", lt, created(1)), true},
		{compare("none", "", gt, version(0)), false},
		{compare("none", "", eq, pb.Compare_VERSION), true},
		{compare("none", "", eq, value("")), false},
		{compare("none", "", ne, value("x")), false},
		{compare("none", "", lt, value("x")), false},

		// A range: every key of it has to match; one without keys is like a key that does not exist.
		{compare("a", "c", gt, version(0)), true},
		{compare("a", "c", eq, version(2)), false},
		{compare("a", "\x00", gt, created(1)), true},
		{compare("a", "c", lt, value("3")), true},
		{compare("a", "c", eq, value("2")), false},
		{compare("x", "z", eq, version(0)), true},
		{compare("x", "z", ne, value("x")), false},
		{compare("b", "a", eq, created(0)), true},
		{compare("\x00", "\x00", gt, modified(0)), true},
	} {
		t.Run(fmt.Sprint(c.compare), func(t *testing.T) {
			w := NewWithT(t)
			r := must[pb.TxnResponse](t, m, entry(&pb.TxnRequest{Compare: []*pb.Compare{c.compare}}))
			w.Expect(r.Succeeded).To(Equal(c.want), "through the log")
			read, err := m.ReadTxn(t.Context(), &pb.TxnRequest{Compare: []*pb.Compare{c.compare}})
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(read.Succeeded).To(Equal(c.want), "without the log")
			w.Expect(m.KV.Revision()).To(BeEquivalentTo(4), "a comparison changes nothing")
		})
	}
}

func TestAllComparisonsHaveToHold(t *testing.T) {
	w := NewWithT(t)
	m := comparedStore(t)
	decide := func(comparisons ...*pb.Compare) bool {
		return must[pb.TxnResponse](t, m, entry(&pb.TxnRequest{Compare: comparisons})).Succeeded
	}
	yes, no := compare("a", "", eq, version(2)), compare("b", "", eq, version(2))
	w.Expect(decide()).To(BeTrue())
	w.Expect(decide(yes, yes)).To(BeTrue())
	w.Expect(decide(yes, no)).To(BeFalse())
	w.Expect(decide(no, yes)).To(BeFalse())
}
