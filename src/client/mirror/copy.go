package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

// The transactions in which keys are copied first are bounded by these, which is less than members accept.
const (
	pageTxnOps   = 128
	pageTxnBytes = 512 << 10
)

// copyPage writes the keys of a page. They need not come in one transaction, since the copy is no state of the source
// before the last page.
func (m *Mirror) copyPage(ctx context.Context, page *client.GetResponse) error {
	most := pageTxnOps
	if m.MaxTxnOps > 0 {
		most = min(most, m.MaxTxnOps)
	}
	var ops []client.Op
	size := 0
	for _, kv := range page.Kvs {
		key, err := m.rename(kv.Key)
		if err != nil {
			return err
		}
		bytes := len(key) + len(kv.Value)
		if len(ops) == most || size+bytes > pageTxnBytes && len(ops) > 0 {
			if err := m.commitInParts(ctx, ops); err != nil {
				return err
			}
			ops, size = nil, 0
		}
		ops, size = append(ops, client.OpPut(key, string(kv.Value))), size+bytes
	}
	return m.commitInParts(ctx, ops)
}

// rename returns the key of the copy.
func (m *Mirror) rename(key []byte) (string, error) {
	name := m.DestinationPrefix + strings.TrimPrefix(string(key), m.Prefix)
	if name == "" {
		return "", fmt.Errorf("the copy of key %q would have an empty name: give the copies a prefix", key)
	}
	return name, nil
}

// commitInParts halves a transaction that is too large for the destination.
func (m *Mirror) commitInParts(ctx context.Context, ops []client.Op) error {
	if len(ops) == 0 {
		return nil
	}
	err := m.commit(ctx, ops)
	if len(ops) > 1 && (errors.Is(err, rpctypes.ErrTooManyOps) || errors.Is(err, rpctypes.ErrRequestTooLarge)) {
		half := len(ops) / 2
		if err := m.commitInParts(ctx, ops[:half]); err != nil {
			return err
		}
		return m.commitInParts(ctx, ops[half:])
	}
	return err
}

// copyChanges makes the changes of one revision.
func (m *Mirror) copyChanges(ctx context.Context, changes []*client.Event) error {
	ops, err := m.operations(changes)
	if err != nil {
		return err
	}
	parts := [][]client.Op{ops}
	if m.MaxTxnOps > 0 && len(ops) > m.MaxTxnOps {
		parts = slices.Collect(slices.Chunk(ops, m.MaxTxnOps))
		if m.Report != nil {
			m.Report(fmt.Sprintf("revision %d has %d changes and is copied in %d transactions", changes[0].Kv.ModRevision, len(ops), len(parts)))
		}
	}
	for _, part := range parts {
		if err := m.commit(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// operations returns what makes the changes of one revision. Of a key that it has changed twice, deleted and put, the last
// counts: a transaction writes no key twice.
func (m *Mirror) operations(changes []*client.Event) ([]client.Op, error) {
	last := make(map[string]int, len(changes))
	for i, ev := range changes {
		last[string(ev.Kv.Key)] = i
	}
	ops := make([]client.Op, 0, len(last))
	for i, ev := range changes {
		if last[string(ev.Kv.Key)] != i {
			continue
		}
		key, err := m.rename(ev.Kv.Key)
		if err != nil {
			return nil, err
		}
		if ev.Type == client.EventTypeDelete {
			ops = append(ops, client.OpDelete(key))
		} else {
			ops = append(ops, client.OpPut(key, string(ev.Kv.Value)))
		}
	}
	return ops, nil
}

// commit makes one transaction.
func (m *Mirror) commit(ctx context.Context, ops []client.Op) error {
	err := m.retry(ctx, "destination", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		_, err := m.Destination.Txn(ctx).Then(ops...).Commit()
		return err
	})
	if err == nil {
		m.copied.Add(int64(len(ops)))
	}
	return err
}

// revisions cuts events into those of one revision each.
func revisions(events []*client.Event) [][]*client.Event {
	var all [][]*client.Event
	for i, ev := range events {
		if i == 0 || ev.Kv.ModRevision != events[i-1].Kv.ModRevision {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], ev)
	}
	return all
}
