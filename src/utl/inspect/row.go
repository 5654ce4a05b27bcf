package inspect

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/storage/backend"
)

// Row renders a row of a database. What does not decode is shown as it is, with the reason.
func (s Style) Row(bucket string, key, value []byte) Pairs {
	decode, known := decoders[bucket]
	if known {
		row, err := decode(s, key, value)
		if err == nil {
			return append(Pairs{{"bucket", bucket}}, row...)
		}
		return append(s.raw(bucket, key, value), Pair{"problem", err.Error()})
	}
	return s.raw(bucket, key, value)
}

func (s Style) raw(bucket string, key, value []byte) Pairs {
	return Pairs{{"bucket", bucket}, {"key", s.bytes(key)}, {"value", s.bytes(value)}}
}

// decoders know the rows of each bucket.
var decoders = map[string]func(s Style, key, value []byte) (Pairs, error){
	backend.Key.Name():     Style.revisionRow,
	backend.Meta.Name():    Style.metaRow,
	backend.Lease.Name():   Style.leaseRow,
	backend.Alarm.Name():   Style.alarmRow,
	backend.Cluster.Name(): Style.textRow,
	backend.Members.Name(): Style.textRow,
	backend.Auth.Name():    Style.authRow,
	backend.AuthUsers.Name(): func(s Style, key, value []byte) (Pairs, error) {
		user := new(authpb.User)
		err := user.UnmarshalVT(value)
		return append(Pairs{{"key", s.bytes(key)}}, s.message(user)...), err
	},
	backend.AuthRoles.Name(): func(s Style, key, value []byte) (Pairs, error) {
		role := new(authpb.Role)
		err := role.UnmarshalVT(value)
		return append(Pairs{{"key", s.bytes(key)}}, s.message(role)...), err
	},
}

func (s Style) revisionRow(key, value []byte) (Pairs, error) {
	rev, tombstone, err := backend.ParseRevisionKey(key)
	if err != nil {
		return nil, err
	}
	out := Pairs{{"revision", fmt.Sprintf("%d.%d", rev.Main, rev.Sub)}}
	if len(value) == 0 {
		return append(out, Pair{"bump", true}), nil // of a restore: it only moves the revision
	}
	kv := new(mvccpb.KeyValue)
	if err := kv.UnmarshalVT(value); err != nil {
		return nil, err
	}
	if tombstone {
		return append(out, Pair{"deleted", s.bytes(kv.GetKey())}), nil
	}
	out = append(out, Pair{"key", s.bytes(kv.GetKey())}, Pair{"create", kv.GetCreateRevision()}, Pair{"version", kv.GetVersion()})
	if kv.GetLease() != 0 {
		out = append(out, Pair{"lease", leaseID(kv.GetLease())})
	}
	return append(out, Pair{"bytes", len(kv.GetValue())}, Pair{"value", s.bytes(kv.GetValue())}), nil
}

func leaseID(id int64) string { return fmt.Sprintf("%016x", uint64(id)) }

func (s Style) metaRow(key, value []byte) (Pairs, error) {
	out := Pairs{{"key", string(key)}}
	switch string(key) {
	case "consistent_index", "term":
		n, err := number(value)
		return append(out, Pair{"value", n}), err
	case "scheduledCompactRev", "finishedCompactRev":
		rev, _, err := backend.ParseRevisionKey(value)
		return append(out, Pair{"value", rev.Main}), err
	}
	return s.textRow(key, value)
}

// textRow is for rows that are readable, JSON or plain.
func (s Style) textRow(key, value []byte) (Pairs, error) {
	out := Pairs{{"key", Style{}.bytes(key)}} // one of ours, so short
	if len(value) > 0 && value[0] == '{' && json.Valid(value) {
		return append(out, Pair{"value", verbatim(value)}), nil
	}
	return append(out, Pair{"value", s.bytes(value)}), nil
}

// verbatim is JSON that is shown as it is, without rounding its large numbers.
type verbatim []byte

func (v verbatim) String() string               { return string(v) }
func (v verbatim) MarshalJSON() ([]byte, error) { return v, nil }

func (s Style) leaseRow(key, value []byte) (Pairs, error) {
	lease := new(leasepb.Lease)
	if err := lease.UnmarshalVT(value); err != nil {
		return nil, err
	}
	id, err := number(key)
	if err == nil && id != uint64(lease.GetID()) {
		err = fmt.Errorf("the row says its id is %s", leaseID(lease.GetID()))
	}
	return Pairs{{"lease", leaseID(int64(id))}, {"ttl", lease.GetTTL()}, {"remaining", lease.GetRemainingTTL()}}, err
}

func (s Style) alarmRow(key, _ []byte) (Pairs, error) {
	alarm := new(pb.AlarmMember)
	err := alarm.UnmarshalVT(key)
	return Pairs{{"member", strconv.FormatUint(alarm.GetMemberID(), 16)}, {"alarm", alarm.GetAlarm().String()}}, err
}

func (s Style) authRow(key, value []byte) (Pairs, error) {
	out := Pairs{{"key", string(key)}}
	switch {
	case string(key) == "authRevision":
		n, err := number(value)
		return append(out, Pair{"value", n}), err
	case string(key) == "authEnabled" && len(value) == 1:
		return append(out, Pair{"value", value[0] == 1}), nil
	}
	return append(out, Pair{"value", s.bytes(value)}), nil
}

func number(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%d bytes, expected the 8 of a number", len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}
