package printer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/client"
)

// simple writes lines for people and for shell scripts: values raw, one thing a line.
type simple struct {
	out       *bufio.Writer
	errOut    io.Writer
	hex       bool
	valueOnly bool
}

func (s *simple) Put(r *pb.PutResponse) error {
	s.put(r)
	return s.out.Flush()
}

func (s *simple) Range(r *pb.RangeResponse) error {
	s.kvs(r.GetKvs(), s.valueOnly)
	return s.out.Flush()
}

func (s *simple) DeleteRange(r *pb.DeleteRangeResponse) error {
	s.deleteRange(r)
	return s.out.Flush()
}

func (s *simple) Txn(r *pb.TxnResponse) error {
	s.txn(r)
	return s.out.Flush()
}

func (s *simple) put(r *pb.PutResponse) {
	s.out.WriteString("OK\n")
	if kv := r.GetPrevKv(); kv != nil {
		s.kv(kv, false)
	}
}

func (s *simple) deleteRange(r *pb.DeleteRangeResponse) {
	fmt.Fprintln(s.out, r.GetDeleted())
	s.kvs(r.GetPrevKvs(), false)
}

// txn separates the responses by empty lines; keys are always shown, since a transaction mixes commands.
func (s *simple) txn(r *pb.TxnResponse) {
	if r.GetSucceeded() {
		s.out.WriteString("SUCCESS\n")
	} else {
		s.out.WriteString("FAILURE\n")
	}
	for _, op := range r.GetResponses() {
		s.out.WriteByte('\n')
		switch {
		case op.GetResponsePut() != nil:
			s.put(op.GetResponsePut())
		case op.GetResponseRange() != nil:
			s.kvs(op.GetResponseRange().GetKvs(), false)
		case op.GetResponseDeleteRange() != nil:
			s.deleteRange(op.GetResponseDeleteRange())
		case op.GetResponseTxn() != nil:
			s.txn(op.GetResponseTxn())
		}
	}
}

func (s *simple) kvs(kvs []*mvccpb.KeyValue, valueOnly bool) {
	for _, kv := range kvs {
		s.kv(kv, valueOnly)
	}
}

func (s *simple) kv(kv *mvccpb.KeyValue, valueOnly bool) {
	if !valueOnly {
		s.bytes(kv.GetKey())
	}
	s.bytes(kv.GetValue())
}

func (s *simple) bytes(b []byte) {
	if s.hex {
		writeHex(s.out, b)
	} else {
		s.out.Write(b)
	}
	s.out.WriteByte('\n')
}

func (s *simple) Watch(r client.WatchResponse) error {
	for _, ev := range r.Events {
		fmt.Fprintln(s.out, ev.GetType())
		if ev.GetPrevKv() != nil {
			s.kv(ev.GetPrevKv(), false)
		}
		s.kv(ev.GetKv(), false)
	}
	return s.out.Flush()
}

func (s *simple) Grant(r *client.LeaseGrantResponse) error {
	fmt.Fprintf(s.out, "lease %s granted with TTL(%ds)\n", leaseID(r.ID), r.TTL)
	return s.out.Flush()
}

func (s *simple) Revoke(id client.LeaseID, _ *client.LeaseRevokeResponse) error {
	fmt.Fprintf(s.out, "lease %s revoked\n", leaseID(id))
	return s.out.Flush()
}

func (s *simple) KeepAlive(r *client.LeaseKeepAliveResponse) error {
	fmt.Fprintf(s.out, "lease %s keepalived with TTL(%d)\n", leaseID(r.ID), r.TTL)
	return s.out.Flush()
}

func (s *simple) TimeToLive(r *client.LeaseTimeToLiveResponse, keys bool) error {
	if r.GrantedTTL == 0 && r.TTL == -1 {
		fmt.Fprintf(s.out, "lease %s already expired\n", leaseID(r.ID))
		return s.out.Flush()
	}
	fmt.Fprintf(s.out, "lease %s granted with TTL(%ds), remaining(%ds)", leaseID(r.ID), r.GrantedTTL, r.TTL)
	if keys {
		fmt.Fprintf(s.out, ", attached keys([%s])", bytes.Join(r.Keys, []byte(" ")))
	}
	s.out.WriteByte('\n')
	return s.out.Flush()
}

func (s *simple) Leases(r *client.LeaseLeasesResponse) error {
	fmt.Fprintf(s.out, "found %d leases\n", len(r.Leases))
	for _, l := range r.Leases {
		fmt.Fprintln(s.out, leaseID(l.ID))
	}
	return s.out.Flush()
}

func (s *simple) MemberList(r *pb.MemberListResponse) error { return s.rows(memberRows(r)) }
func (s *simple) Status(list []Status) error                { return s.rows(statusRows(list)) }
func (s *simple) HashKV(list []HashKV) error                { return s.rows(hashRows(list)) }

func (s *simple) Health(list []Health) error {
	for _, h := range list {
		if h.Error == "" {
			fmt.Fprintf(s.out, "%s is healthy: successfully committed proposal: took = %s\n", h.Endpoint, h.Took)
			continue
		}
		fmt.Fprintf(s.errOut, "%s is unhealthy: failed to commit proposal: %s\n", h.Endpoint, h.Error)
	}
	return s.out.Flush()
}

func (s *simple) rows(rows [][]string) error {
	for _, row := range rows {
		s.out.WriteString(strings.Join(row, ", "))
		s.out.WriteByte('\n')
	}
	return s.out.Flush()
}
