package concurrency

import (
	"maps"
	"slices"

	"quoin.dev/api/mvccpb"

	"quoin.dev/client"
)

// stm implements STM.
type stm struct {
	c *client.Client
	o stmOptions

	read  map[string]*mvccpb.KeyValue // nil for a key that is not there
	write map[string]client.Op        // a put or a delete
	// revision is that of the first read; 0 = there was none.
	revision int64
}

func (s *stm) reset() {
	s.read, s.write, s.revision = map[string]*mvccpb.KeyValue{}, map[string]client.Op{}, 0
}

func (s *stm) Get(keys ...string) string {
	if len(keys) == 0 {
		return ""
	}
	if op, ok := s.write[keys[0]]; ok {
		return string(op.ValueBytes())
	}
	s.fetch(keys)
	return string(s.read[keys[0]].GetValue())
}

func (s *stm) Rev(key string) int64 {
	s.fetch([]string{key})
	return s.read[key].GetModRevision()
}

func (s *stm) Put(key, val string, opts ...client.OpOption) {
	s.write[key] = client.OpPut(key, val, opts...)
}

func (s *stm) Del(key string) { s.write[key] = client.OpDelete(key) }

// snapshot reports whether all reads are of one revision.
func (s *stm) snapshot() bool { return s.o.isolation <= Serializable }

// fetch reads the keys that were not read before.
func (s *stm) fetch(keys []string) {
	var missing []string
	var ops []client.Op
	for _, key := range keys {
		if _, ok := s.read[key]; ok || slices.Contains(missing, key) {
			continue
		}
		missing = append(missing, key)
		if s.snapshot() && s.revision > 0 {
			ops = append(ops, client.OpGet(key, client.WithRev(s.revision)))
		} else {
			ops = append(ops, client.OpGet(key))
		}
	}
	if len(missing) == 0 {
		return
	}
	resp, err := s.c.Txn(s.o.ctx).Then(ops...).Commit()
	if err != nil {
		panic(stmError{err})
	}
	if s.revision == 0 {
		s.revision = resp.Header.Revision
	}
	for i, key := range missing {
		s.read[key] = nil
		if kvs := resp.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
			s.read[key] = kvs[0]
		}
	}
}

// conditions say that nothing has changed that must not.
func (s *stm) conditions() (list []client.Cmp) {
	if s.o.isolation == ReadCommitted {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(s.read)) {
		list = append(list, client.Compare(client.ModRevision(key), "=", s.read[key].GetModRevision()))
	}
	if s.o.isolation != SerializableSnapshot || s.revision == 0 {
		return list
	}
	for _, key := range slices.Sorted(maps.Keys(s.write)) {
		if _, ok := s.read[key]; !ok {
			list = append(list, client.Compare(client.ModRevision(key), "<", s.revision+1))
		}
	}
	return list
}

func (s *stm) commit() (*client.TxnResponse, error) {
	var ops []client.Op
	for _, key := range slices.Sorted(maps.Keys(s.write)) {
		ops = append(ops, s.write[key])
	}
	resp, err := s.c.Txn(s.o.ctx).If(s.conditions()...).Then(ops...).Commit()
	if err != nil {
		return nil, err
	}
	if !resp.Succeeded {
		return nil, nil
	}
	return resp, nil
}
