package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
)

// recorder stands in for a generated client where no request is made.
type recorder struct{ pb.KVClient }

func TestRequests(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, m)
	get := func(key string, opts ...client.OpOption) func() (any, error) {
		return func() (any, error) { return c.Get(within(t), key, opts...) }
	}
	put := func(key, val string, opts ...client.OpOption) func() (any, error) {
		return func() (any, error) { return c.Put(within(t), key, val, opts...) }
	}
	commit := func(txn client.Txn) func() (any, error) {
		return func() (any, error) { return txn.Commit() }
	}
	for name, tc := range map[string]struct {
		call func() (any, error)
		want string
	}{
		"get":               {get("k"), `key:"k"`},
		"get range":         {get("k", client.WithRange("l")), `key:"k" range_end:"l"`},
		"get prefix":        {get("k\xff", client.WithPrefix()), `key:"k\xff" range_end:"l"`},
		"get prefix of all": {get("", client.WithPrefix()), `key:"\x00" range_end:"\x00"`},
		"get from":          {get("k", client.WithFromKey()), `key:"k" range_end:"\x00"`},
		"get from all":      {get("", client.WithFromKey()), `key:"\x00" range_end:"\x00"`},
		"get options": {
			get("k", client.WithLimit(5), client.WithRev(7), client.WithSerializable(), client.WithKeysOnly(), client.WithCountOnly()),
			`key:"k" limit:5 revision:7 serializable:true keys_only:true count_only:true`,
		},
		"get filters": {
			get("k", client.WithMinModRev(1), client.WithMaxModRev(2), client.WithMinCreateRev(3), client.WithMaxCreateRev(4)),
			`key:"k" min_mod_revision:1 max_mod_revision:2 min_create_revision:3 max_create_revision:4`,
		},
		"get sorted":         {get("k", client.WithSort(client.SortByVersion, client.SortDescend)), `key:"k" sort_order:DESCEND sort_target:VERSION`},
		"get in key order":   {get("k", client.WithSort(client.SortByKey, client.SortAscend)), `key:"k"`},
		"get first created":  {get("k", client.WithFirstCreate()...), `key:"k" range_end:"l" limit:1 sort_order:ASCEND sort_target:CREATE`},
		"get last created":   {get("k", client.WithLastCreate()...), `key:"k" range_end:"l" limit:1 sort_order:DESCEND sort_target:CREATE`},
		"get first key":      {get("k", client.WithFirstKey()...), `key:"k" range_end:"l" limit:1`},
		"get last key":       {get("k", client.WithLastKey()...), `key:"k" range_end:"l" limit:1 sort_order:DESCEND`},
		"get oldest":         {get("k", client.WithFirstRev()...), `key:"k" range_end:"l" limit:1 sort_order:ASCEND sort_target:MOD`},
		"get newest":         {get("k", client.WithLastRev()...), `key:"k" range_end:"l" limit:1 sort_order:DESCEND sort_target:MOD`},
		"get highest value":  {get("k", client.WithSort(client.SortByValue, client.SortAscend)), `key:"k" sort_order:ASCEND sort_target:VALUE`},
		"put":                {put("k", "v"), `key:"k" value:"v"`},
		"put options":        {put("k", "v", client.WithLease(9), client.WithPrevKV()), `key:"k" value:"v" lease:9 prev_kv:true`},
		"put ignore":         {put("k", "", client.WithIgnoreValue(), client.WithIgnoreLease()), `key:"k" ignore_value:true ignore_lease:true`},
		"member list":        {func() (any, error) { return c.MemberList(within(t)) }, `linearizable:true`},
		"member list as is":  {func() (any, error) { return c.MemberList(within(t), client.WithSerializable()) }, ``},
		"txn of nothing":     {commit(c.Txn(within(t))), ``},
		"txn else only":      {commit(c.Txn(within(t)).Else(client.OpGet("k"))), `failure:{request_range:{key:"k"}}`},
		"txn then only, put": {commit(c.Txn(within(t)).Then(client.OpPut("k", "v"))), `success:{request_put:{key:"k" value:"v"}}`},
		"txn nested": {
			commit(c.Txn(within(t)).If(client.Compare(client.Version("k"), "=", 0)).Then(client.OpTxn(
				[]client.Cmp{client.Compare(client.Value("a"), ">", "b")},
				[]client.Op{client.OpDelete("k", client.WithPrefix(), client.WithPrevKV())}, nil))),
			`compare:{key:"k" version:0} success:{request_txn:{compare:{result:GREATER target:VALUE key:"a" value:"b"} ` +
				`success:{request_delete_range:{key:"k" range_end:"l" prev_kv:true}}}}`,
		},
		"txn compares": {
			commit(c.Txn(within(t)).If(
				client.Compare(client.CreateRevision("a"), "!=", int64(1)),
				client.Compare(client.ModRevision("b").WithPrefix(), "<", 2),
				client.Compare(client.LeaseValue("c").WithRange("d"), "=", client.LeaseID(3)),
			)),
			`compare:{result:NOT_EQUAL target:CREATE key:"a" create_revision:1} compare:{result:LESS target:MOD key:"b" mod_revision:2 range_end:"c"} ` +
				`compare:{target:LEASE key:"c" lease:3 range_end:"d"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tc.call(); err != nil {
				t.Fatal(err)
			}
			// The text form of a message has a random space here and there, by design of the protobuf library.
			got := strings.Join(strings.Fields(fmt.Sprint(m.request())), " ")
			if got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestDo(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, m)
	get, err := c.Do(within(t), client.OpGet("k"))
	if err != nil || get.Get() == nil || get.Put() != nil || get.Del() != nil || get.Txn() != nil {
		t.Errorf("get: %+v, %v", get, err)
	}
	put, err := c.Do(within(t), client.OpPut("k", "v"))
	if err != nil || put.Put() == nil {
		t.Errorf("put: %+v, %v", put, err)
	}
	txn, err := c.Do(within(t), client.OpTxn(nil, nil, nil))
	if err != nil || !txn.Txn().Succeeded {
		t.Errorf("txn: %+v, %v", txn, err)
	}
	del, err := c.Do(within(t), client.OpDelete("k"))
	if err == nil || del.Del() != nil {
		t.Errorf("delete at a server that has none: %+v, %v", del, err)
	}
}

func TestOpAccessors(t *testing.T) {
	op := client.OpGet("k", client.WithPrefix(), client.WithLimit(1), client.WithRev(2), client.WithMinModRev(3), client.WithMaxModRev(4),
		client.WithMinCreateRev(5), client.WithMaxCreateRev(6), client.WithSerializable(), client.WithKeysOnly())
	if !op.IsGet() || op.IsPut() || op.IsDelete() || op.IsTxn() || !op.IsSerializable() || !op.IsKeysOnly() || op.IsCountOnly() ||
		!op.IsOptsWithPrefix() || op.IsOptsWithFromKey() || op.Limit() != 1 || op.Rev() != 2 || op.MinModRev() != 3 || op.MaxModRev() != 4 ||
		op.MinCreateRev() != 5 || op.MaxCreateRev() != 6 || string(op.KeyBytes()) != "k" || string(op.RangeBytes()) != "l" {
		t.Errorf("%+v", op)
	}
	put := client.OpPut("k", "v")
	put.WithKeyBytes([]byte("x"))
	put.WithValueBytes([]byte("y"))
	put.WithRangeBytes(nil)
	if string(put.KeyBytes()) != "x" || string(put.ValueBytes()) != "y" || !put.IsPut() {
		t.Errorf("%+v", put)
	}
	cmp := client.Compare(client.Value("k"), "=", "v")
	cmp.WithKeyBytes([]byte("x"))
	cmp.WithValueBytes([]byte("y"))
	if string(cmp.KeyBytes()) != "x" || string(cmp.ValueBytes()) != "y" {
		t.Errorf("%+v", cmp)
	}
	cmps, then, alt := client.OpTxn([]client.Cmp{cmp}, []client.Op{op, put}, nil).Txn()
	if len(cmps) != 1 || len(then) != 2 || len(alt) != 0 {
		t.Error("a transaction lost a part")
	}
	if opts := []client.OpOption{client.WithPrefix()}; !client.IsOptsWithPrefix(opts) || client.IsOptsWithFromKey(opts) {
		t.Error("options are not recognised")
	}
}

func TestMistakesPanic(t *testing.T) {
	txn := func() client.Txn { return client.NewKVFromKVClient(&recorder{}, nil).Txn(context.Background()) }
	for want, call := range map[string]func(){
		"cannot be set at the same time": func() { client.OpGet("k", client.WithPrefix(), client.WithFromKey()) },
		"unexpected lease in get":        func() { client.OpGet("k", client.WithLease(1)) },
		"unexpected range in put":        func() { client.OpPut("k", "v", client.WithPrefix()) },
		"unexpected limit in put":        func() { client.OpPut("k", "v", client.WithLimit(1)) },
		"unexpected sort in delete":      func() { client.OpDelete("k", client.WithSort(client.SortByKey, client.SortDescend)) },
		"unexpected revision in delete":  func() { client.OpDelete("k", client.WithRev(1)) },
		"Unknown result op":              func() { client.Compare(client.Version("k"), "~", 1) },
		"want a string":                  func() { client.Compare(client.Value("k"), "=", 1) },
		"want an integer":                func() { client.Compare(client.Version("k"), "=", "1") },
		"cannot call If twice!":          func() { txn().If().If() },
		"cannot call Then twice!":        func() { txn().Then().Then() },
		"cannot call If after Then!":     func() { txn().Then().If() },
		"cannot call Then after Else!":   func() { txn().Else().Then() },
		"did not make":                   func() { client.NewKVFromKVClient(&recorder{}, nil).Do(context.Background(), client.Op{}) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panicked with %q", got)
				}
			}()
			call()
		})
	}
}

// A prefix and its end must enclose exactly the keys that begin with the prefix.
func TestPrefixRangeEnd(t *testing.T) {
	random := func() string {
		b := make([]byte, rand.IntN(4))
		for i := range b {
			b[i] = []byte{0, 1, 'a', 0xfe, 0xff}[rand.IntN(5)]
		}
		return string(b)
	}
	for range 100_000 {
		prefix, key := random(), random()
		end := client.GetPrefixRangeEnd(prefix)
		within := key >= prefix && (end == "\x00" || key < end)
		if within != strings.HasPrefix(key, prefix) {
			t.Fatalf("prefix %q has the end %q, which is wrong for key %q", prefix, end, key)
		}
	}
}

func TestOpWatch(t *testing.T) {
	op := client.OpWatch("k", client.WithPrefix(), client.WithRev(3), client.WithPrevKV(), client.WithProgressNotify(),
		client.WithCreatedNotify(), client.WithFilterPut(), client.WithFilterDelete(), client.WithFragment())
	if !op.IsPrevKV() || !op.IsProgressNotify() || !op.IsCreatedNotify() || !op.IsFilterPut() || !op.IsFilterDelete() || !op.IsFragment() || op.Rev() != 3 {
		t.Errorf("%+v", op)
	}
	for name, opt := range map[string]client.OpOption{
		"lease": client.WithLease(1), "limit": client.WithLimit(1), "sort": client.WithSort(client.SortByKey, client.SortDescend),
		"serializable": client.WithSerializable(), "countOnly": client.WithCountOnly(),
		"mod revision filter": client.WithMinModRev(1), "create revision filter": client.WithMaxCreateRev(1),
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != "unexpected "+name+" in watch" {
					t.Errorf("%s: %s", name, got)
				}
			}()
			client.OpWatch("k", opt)
		}()
	}
}
