package client

import "context"

// Txn is a transaction: if all conditions hold, the operations of Then run, else those of Else, as one change.
//
//	resp, err := cli.Txn(ctx).
//		If(client.Version("lock").… compared …).
//		Then(client.OpPut("lock", "mine")).
//		Else(client.OpGet("lock")).
//		Commit()
//
// Each of the three is called at most once, in this order, or the call panics. A key must not be changed twice in one
// branch. All reads see the changes of the operations before them.
type Txn interface {
	// If adds conditions. Without any, the transaction takes the branch of Then.
	If(cs ...Cmp) Txn
	// Then adds operations to run when all conditions hold.
	Then(ops ...Op) Txn
	// Else adds operations to run when a condition does not hold.
	Else(ops ...Op) Txn
	// Commit runs the transaction.
	Commit() (*TxnResponse, error)
}

type txn struct {
	kv    *kv
	ctx   context.Context
	op    Op
	after string // the last of If, Then, Else that was called
}

func (k *kv) Txn(ctx context.Context) Txn { return &txn{kv: k, ctx: ctx, op: Op{kind: kindTxn}} }

func (t *txn) If(cs ...Cmp) Txn {
	t.step("If", "")
	t.op.cmps = cs
	return t
}

func (t *txn) Then(ops ...Op) Txn {
	t.step("Then", "", "If")
	t.op.then = ops
	return t
}

func (t *txn) Else(ops ...Op) Txn {
	t.step("Else", "", "If", "Then")
	t.op.alt = ops
	return t
}

func (t *txn) Commit() (*TxnResponse, error) {
	resp, err := t.kv.Do(t.ctx, t.op)
	return resp.Txn(), err
}

// step panics unless the call comes after one of the given ones.
func (t *txn) step(name string, after ...string) {
	for _, a := range after {
		if t.after == a {
			t.after = name
			return
		}
	}
	if t.after == name {
		panic("cannot call " + name + " twice!")
	}
	panic("cannot call " + name + " after " + t.after + "!")
}
