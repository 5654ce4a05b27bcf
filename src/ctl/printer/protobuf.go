package printer

import (
	"bufio"
	"fmt"

	pb "quoin.dev/api/etcdserverpb"
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

func (p *protobuf) write(m marshaler) error {
	b, err := m.MarshalVT()
	if err != nil {
		return fmt.Errorf("encode the response: %w", err)
	}
	p.out.Write(b)
	return p.out.Flush()
}
