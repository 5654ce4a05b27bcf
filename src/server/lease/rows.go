package lease

import (
	"encoding/binary"

	"quoin.dev/api/leasepb"
	"quoin.dev/storage/backend"
)

// rowKey is the key of a lease's row: its id as 8 bytes big-endian, negative ones in two's complement.
func rowKey(id ID) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(id))
}

func (l *Lessor) persist(e *entry) {
	row := leasepb.Lease{ID: int64(e.ID), TTL: e.TTL, RemainingTTL: e.RemainingTTL}
	value, err := row.MarshalVT()
	if err != nil {
		panic("lease: a row of three numbers can not be encoded: " + err.Error())
	}
	l.rows.Put(backend.Lease, rowKey(e.ID), value)
}
