package printer

import (
	"bufio"
	"fmt"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
)

// protobuf writes the encoded response as it came over the wire, without a frame.
type protobuf struct {
	none
	out *bufio.Writer
}

type marshaler interface{ MarshalVT() ([]byte, error) }

func (p *protobuf) Put(r *pb.PutResponse) error                 { return p.write(r) }
func (p *protobuf) Range(r *pb.RangeResponse) error             { return p.write(r) }
func (p *protobuf) DeleteRange(r *pb.DeleteRangeResponse) error { return p.write(r) }
func (p *protobuf) Txn(r *pb.TxnResponse) error                 { return p.write(r) }
func (p *protobuf) MemberList(r *pb.MemberListResponse) error   { return p.write(r) }
func (p *protobuf) Alarm(r *pb.AlarmResponse) error             { return p.write(r) }
func (p *protobuf) MemberAdd(_ string, _ []string, r *pb.MemberAddResponse) error {
	return p.write(r)
}
func (p *protobuf) MemberRemove(_ uint64, r *pb.MemberRemoveResponse) error {
	return p.write(r)
}
func (p *protobuf) MemberUpdate(_ uint64, r *pb.MemberUpdateResponse) error {
	return p.write(r)
}
func (p *protobuf) MemberPromote(_ uint64, r *pb.MemberPromoteResponse) error {
	return p.write(r)
}
func (p *protobuf) MoveLeader(_, _ uint64, r *pb.MoveLeaderResponse) error {
	return p.write(r)
}
func (p *protobuf) Downgrade(_ client.DowngradeAction, r *pb.DowngradeResponse) error {
	return p.write(r)
}

// Watch leaves out the id of the watch, which the client keeps to itself.
func (p *protobuf) Watch(r client.WatchResponse) error {
	header := r.Header
	if header == nil {
		header = &pb.ResponseHeader{}
	}
	return p.write(&pb.WatchResponse{
		Header: header, Created: r.Created, Canceled: r.Canceled, CompactRevision: r.CompactRevision, Events: r.Events,
	})
}

// Of most responses about leases, etcdctl writes the header alone, and programs that read it count on that.
func (p *protobuf) Grant(r *client.LeaseGrantResponse) error { return p.write(r.ResponseHeader) }
func (p *protobuf) KeepAlive(r *client.LeaseKeepAliveResponse) error {
	return p.write(r.ResponseHeader)
}
func (p *protobuf) Leases(r *client.LeaseLeasesResponse) error { return p.write(r.ResponseHeader) }
func (p *protobuf) TimeToLive(r *client.LeaseTimeToLiveResponse, _ bool) error {
	return p.write(r.ResponseHeader)
}

func (p *protobuf) write(m marshaler) error {
	b, err := m.MarshalVT()
	if err != nil {
		return fmt.Errorf("encode the response: %w", err)
	}
	p.out.Write(b)
	return p.out.Flush()
}
