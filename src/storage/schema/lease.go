package schema

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"
	"quoin.dev/storage/backend"
)

// leaseKey is the id as 8 bytes big-endian, a negative one in two's complement (etcd#14239).
func leaseKey(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// Leases reads every lease, ascending by the unsigned id.
func Leases(r Reader) (out []*leasepb.Lease, err error) {
	err = r.Scan(backend.Lease, nil, nil, func(key, value []byte) error {
		l := new(leasepb.Lease)
		if err := l.UnmarshalVT(value); err != nil {
			return fmt.Errorf("lease %x: its row does not decode: %w: restore the member from a snapshot", key, err)
		}
		if !bytes.Equal(leaseKey(l.GetID()), key) {
			return fmt.Errorf("lease %x: the row says its id is %x: restore the member from a snapshot", key, uint64(l.GetID()))
		}
		out = append(out, l)
		return nil
	})
	return out, err
}

// PutLease sets a lease's row.
func PutLease(w Writer, l *leasepb.Lease) {
	w.Put(backend.Lease, leaseKey(l.GetID()), mustMarshal(l))
}

// DeleteLease removes a lease's row.
func DeleteLease(w Writer, id int64) { w.Delete(backend.Lease, leaseKey(id)) }

// Alarms reads every raised alarm. The row's key is the encoded alarm.
func Alarms(r Reader) (out []*etcdserverpb.AlarmMember, err error) {
	err = r.Scan(backend.Alarm, nil, nil, func(key, _ []byte) error {
		a := new(etcdserverpb.AlarmMember)
		if err := a.UnmarshalVT(key); err != nil {
			return fmt.Errorf("alarm %x: %w: restore the member from a snapshot", key, err)
		}
		out = append(out, a)
		return nil
	})
	return out, err
}

// PutAlarm raises an alarm.
func PutAlarm(w Writer, a *etcdserverpb.AlarmMember) {
	w.Put(backend.Alarm, mustMarshal(a), []byte{})
}

// DeleteAlarm lowers an alarm.
func DeleteAlarm(w Writer, a *etcdserverpb.AlarmMember) { w.Delete(backend.Alarm, mustMarshal(a)) }

func mustMarshal(m interface{ MarshalVT() ([]byte, error) }) []byte {
	data, err := m.MarshalVT()
	if err != nil {
		panic(fmt.Sprintf("schema: a row did not encode: %v", err))
	}
	return data
}
