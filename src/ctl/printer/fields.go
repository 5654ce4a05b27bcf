package printer

import (
	"bufio"
	"fmt"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/client"
)

// fields writes one `"Name" : value` line for each field, keys and values quoted as Go strings.
type fields struct {
	none // changes of the members, of the leader and of the version have no fields
	out  *bufio.Writer
	hex  bool
}

func (f *fields) Put(r *pb.PutResponse) error {
	f.put(r)
	return f.out.Flush()
}

func (f *fields) Range(r *pb.RangeResponse) error {
	f.rangeResponse(r)
	return f.out.Flush()
}

func (f *fields) DeleteRange(r *pb.DeleteRangeResponse) error {
	f.deleteRange(r)
	return f.out.Flush()
}

func (f *fields) Txn(r *pb.TxnResponse) error {
	f.txn(r)
	return f.out.Flush()
}

func (f *fields) put(r *pb.PutResponse) {
	f.header(r.GetHeader())
	if kv := r.GetPrevKv(); kv != nil {
		f.kv("Prev", kv)
	}
}

func (f *fields) rangeResponse(r *pb.RangeResponse) {
	f.header(r.GetHeader())
	for _, kv := range r.GetKvs() {
		f.kv("", kv)
	}
	f.line("More", r.GetMore())
	f.line("Count", r.GetCount())
}

func (f *fields) deleteRange(r *pb.DeleteRangeResponse) {
	f.header(r.GetHeader())
	f.line("Deleted", r.GetDeleted())
	for _, kv := range r.GetPrevKvs() {
		f.kv("Prev", kv)
	}
}

func (f *fields) txn(r *pb.TxnResponse) {
	f.header(r.GetHeader())
	f.line("Succeeded", r.GetSucceeded())
	for _, op := range r.GetResponses() {
		switch {
		case op.GetResponsePut() != nil:
			f.put(op.GetResponsePut())
		case op.GetResponseRange() != nil:
			f.rangeResponse(op.GetResponseRange())
		case op.GetResponseDeleteRange() != nil:
			f.deleteRange(op.GetResponseDeleteRange())
		case op.GetResponseTxn() != nil:
			f.txn(op.GetResponseTxn())
		}
	}
}

func (f *fields) Watch(r client.WatchResponse) error {
	f.header(r.Header)
	for _, ev := range r.Events {
		f.line("Type", ev.GetType())
		if ev.GetPrevKv() != nil {
			f.kv("Prev", ev.GetPrevKv())
		}
		f.kv("", ev.GetKv())
	}
	return f.out.Flush()
}

func (f *fields) Grant(r *client.LeaseGrantResponse) error {
	f.header(r.ResponseHeader)
	f.lease(r.ID)
	f.line("TTL", r.TTL)
	return f.out.Flush()
}

func (f *fields) Revoke(_ client.LeaseID, r *client.LeaseRevokeResponse) error {
	f.header(r.GetHeader())
	return f.out.Flush()
}

func (f *fields) KeepAlive(r *client.LeaseKeepAliveResponse) error {
	f.header(r.ResponseHeader)
	f.lease(r.ID)
	f.line("TTL", r.TTL)
	return f.out.Flush()
}

func (f *fields) TimeToLive(r *client.LeaseTimeToLiveResponse, _ bool) error {
	f.header(r.ResponseHeader)
	f.lease(r.ID)
	f.line("TTL", r.TTL)
	f.line("GrantedTTL", r.GrantedTTL)
	for _, key := range r.Keys {
		f.quoted("Key", string(key))
	}
	return f.out.Flush()
}

func (f *fields) Leases(r *client.LeaseLeasesResponse) error {
	f.header(r.ResponseHeader)
	for _, l := range r.Leases {
		f.lease(l.ID)
	}
	return f.out.Flush()
}

func (f *fields) MemberList(r *pb.MemberListResponse) error {
	f.header(r.GetHeader())
	for _, m := range r.GetMembers() {
		f.id("ID", m.GetID())
		f.quoted("Name", m.GetName())
		for _, u := range m.GetPeerURLs() {
			f.quoted("PeerURL", u)
		}
		for _, u := range m.GetClientURLs() {
			f.quoted("ClientURL", u)
		}
		f.line("IsLearner", m.GetIsLearner())
		f.out.WriteByte('\n')
	}
	return f.out.Flush()
}

func (f *fields) Alarm(r *pb.AlarmResponse) error {
	f.header(r.GetHeader())
	for _, a := range r.GetAlarms() {
		f.id("MemberID", a.GetMemberID())
		f.line("AlarmType", a.GetAlarm())
		f.out.WriteByte('\n')
	}
	return f.out.Flush()
}

func (f *fields) Health(list []Health) error {
	for _, h := range list {
		f.quoted("Endpoint", h.Endpoint)
		f.line("Health", h.Healthy)
		f.line("Took", h.Took)
		f.line("Error", h.Error)
		f.out.WriteByte('\n')
	}
	return f.out.Flush()
}

func (f *fields) Status(list []Status) error {
	for _, s := range list {
		r := s.Response
		f.header(r.GetHeader())
		f.quoted("Version", r.GetVersion())
		f.quoted("StorageVersion", r.GetStorageVersion())
		f.line("DBSize", r.GetDbSize())
		f.line("DBSizeInUse", r.GetDbSizeInUse())
		f.line("DBSizeQuota", r.GetDbSizeQuota())
		f.line("Leader", r.GetLeader())
		f.line("IsLearner", r.GetIsLearner())
		f.line("RaftIndex", r.GetRaftIndex())
		f.line("RaftAppliedIndex", r.GetRaftAppliedIndex())
		f.line("Errors", r.GetErrors())
		f.quoted("Endpoint", s.Endpoint)
		f.quoted("DowngradeTargetVersion", r.GetDowngradeInfo().GetTargetVersion())
		f.line("DowngradeEnabled", r.GetDowngradeInfo().GetEnabled())
		f.out.WriteByte('\n')
	}
	return f.out.Flush()
}

func (f *fields) HashKV(list []HashKV) error {
	for _, h := range list {
		f.header(h.Response.GetHeader())
		f.quoted("Endpoint", h.Endpoint)
		f.line("Hash", h.Response.GetHash())
		f.line("HashRevision", h.Response.GetHashRevision())
		f.out.WriteByte('\n')
	}
	return f.out.Flush()
}

// header leaves the revision out when it is zero: answers about membership carry none.
func (f *fields) header(h *pb.ResponseHeader) {
	f.id("ClusterID", h.GetClusterId())
	f.id("MemberID", h.GetMemberId())
	if h.GetRevision() > 0 {
		f.line("Revision", h.GetRevision())
	}
	f.line("RaftTerm", h.GetRaftTerm())
}

func (f *fields) kv(prefix string, kv *mvccpb.KeyValue) {
	f.quoted(prefix+"Key", string(kv.GetKey()))
	f.line(prefix+"CreateRevision", kv.GetCreateRevision())
	f.line(prefix+"ModRevision", kv.GetModRevision())
	f.line(prefix+"Version", kv.GetVersion())
	f.quoted(prefix+"Value", string(kv.GetValue()))
	if f.hex {
		f.line(prefix+"Lease", leaseID(client.LeaseID(kv.GetLease())))
		return
	}
	f.line(prefix+"Lease", kv.GetLease())
}

func (f *fields) id(name string, n uint64) {
	if f.hex {
		f.line(name, id(n))
		return
	}
	f.line(name, n)
}

func (f *fields) lease(id client.LeaseID) {
	if f.hex {
		f.line("ID", leaseID(id))
		return
	}
	f.line("ID", int64(id))
}

func (f *fields) quoted(name, value string) { fmt.Fprintf(f.out, "%q : %q\n", name, value) }

func (f *fields) line(name string, value any) { fmt.Fprintf(f.out, "%q : %v\n", name, value) }
