// Package printer writes the responses of a server to a terminal or a script in the formats of --write-out.
package printer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/ctl/diagnosis"
	"quoin.dev/ctl/keydiff"
	"quoin.dev/ctl/keytree"
)

// Formats lists the values that --write-out takes, sorted: those of etcdctl, and yaml.
var Formats = []string{"fields", "json", "protobuf", "simple", "table", "yaml"}

// ErrUnknownFormat is returned by New for a format that is not in Formats.
var ErrUnknownFormat = errors.New("unsupported output format")

// UnsupportedError says that a response has no form in the chosen format. Most responses have no table, and the lists
// that a command gathers from several endpoints are no protobuf message.
type UnsupportedError struct {
	Format string
}

func (e *UnsupportedError) Error() string {
	return e.Format + " not supported as output format"
}

// Options are the choices beside the format.
type Options struct {
	// Hex writes keys and values (simple) or ids (fields, member list as json or yaml) in hexadecimal.
	Hex bool
	// ValueOnly leaves the keys out of a range; only the simple format knows it.
	ValueOnly bool
	// Err receives the lines about endpoints that are not healthy in the simple format, so that stdout carries the
	// healthy ones alone.
	Err io.Writer
}

// Printer writes one response in one format. Every method writes the whole response before it returns; the error is
// an *UnsupportedError or that of the writer.
type Printer interface {
	Put(*pb.PutResponse) error
	Range(*pb.RangeResponse) error
	DeleteRange(*pb.DeleteRangeResponse) error
	Txn(*pb.TxnResponse) error
	Watch(client.WatchResponse) error
	Grant(*client.LeaseGrantResponse) error
	Revoke(client.LeaseID, *client.LeaseRevokeResponse) error
	KeepAlive(*client.LeaseKeepAliveResponse) error
	// TimeToLive lists the keys of the lease when they were asked for.
	TimeToLive(r *client.LeaseTimeToLiveResponse, keys bool) error
	Leases(*client.LeaseLeasesResponse) error
	MemberList(*pb.MemberListResponse) error
	// MemberAdd tells how to start the new member, which is to have this name and these peer URLs.
	MemberAdd(name string, peerURLs []string, r *pb.MemberAddResponse) error
	MemberRemove(id uint64, r *pb.MemberRemoveResponse) error
	MemberUpdate(id uint64, r *pb.MemberUpdateResponse) error
	MemberPromote(id uint64, r *pb.MemberPromoteResponse) error
	MoveLeader(leader, target uint64, r *pb.MoveLeaderResponse) error
	Alarm(*pb.AlarmResponse) error
	Downgrade(client.DowngradeAction, *pb.DowngradeResponse) error
	Health([]Health) error
	Status([]Status) error
	HashKV([]HashKV) error

	// Changed says that users, roles or permissions were changed; the sentence is for people.
	Changed(sentence string, r Change) error
	AuthStatus(*pb.AuthStatusResponse) error
	UserGet(name string, r *pb.AuthUserGetResponse) error
	UserList(*pb.AuthUserListResponse) error
	RoleGet(role string, r *pb.AuthRoleGetResponse) error
	RoleList(*pb.AuthRoleListResponse) error
	Verdict(Verdict) error

	// Difference writes one key that differs, with its values if they were read.
	Difference(c keydiff.Change, values bool) error
	TreeNode(keytree.Node) error
	Report(diagnosis.Report) error
}

// Health is the outcome of a probe of one endpoint; Error is empty when it is healthy.
type Health struct {
	Endpoint string `json:"endpoint"`
	Healthy  bool   `json:"health"`
	Took     string `json:"took"`
	Error    string `json:"error,omitempty"`
}

// Status is the status response of one endpoint.
type Status struct {
	Endpoint string
	Response *pb.StatusResponse
}

// HashKV is the hash response of one endpoint.
type HashKV struct {
	Endpoint string
	Response *pb.HashKVResponse
}

// New returns the printer for a format that writes to w, or ErrUnknownFormat.
func New(format string, w io.Writer, o Options) (Printer, error) {
	if !slices.Contains(Formats, format) {
		return nil, ErrUnknownFormat
	}
	out := bufio.NewWriter(w)
	switch format {
	case "fields":
		return &fields{none: none{format}, out: out, hex: o.Hex}, nil
	case "json":
		return &jsonFormat{out: out, hex: o.Hex}, nil
	case "yaml":
		return &jsonFormat{out: out, hex: o.Hex, yaml: true}, nil
	case "protobuf":
		return &protobuf{none: none{format}, out: out}, nil
	case "table":
		return &table{none: none{format}, out: out}, nil
	default:
		errOut := o.Err
		if errOut == nil {
			errOut = io.Discard
		}
		return &simple{out: out, errOut: errOut, hex: o.Hex, valueOnly: o.ValueOnly}, nil
	}
}

// none refuses every response; formats embed it and override what they can write.
type none struct {
	format string
}

func (n none) refuse() error { return &UnsupportedError{Format: n.format} }

func (n none) Put(*pb.PutResponse) error                 { return n.refuse() }
func (n none) Range(*pb.RangeResponse) error             { return n.refuse() }
func (n none) DeleteRange(*pb.DeleteRangeResponse) error { return n.refuse() }
func (n none) Txn(*pb.TxnResponse) error                 { return n.refuse() }
func (n none) Watch(client.WatchResponse) error          { return n.refuse() }
func (n none) Grant(*client.LeaseGrantResponse) error    { return n.refuse() }
func (n none) Revoke(client.LeaseID, *client.LeaseRevokeResponse) error {
	return n.refuse()
}
func (n none) KeepAlive(*client.LeaseKeepAliveResponse) error { return n.refuse() }
func (n none) TimeToLive(*client.LeaseTimeToLiveResponse, bool) error {
	return n.refuse()
}
func (n none) Leases(*client.LeaseLeasesResponse) error { return n.refuse() }
func (n none) MemberList(*pb.MemberListResponse) error  { return n.refuse() }
func (n none) MemberAdd(string, []string, *pb.MemberAddResponse) error {
	return n.refuse()
}
func (n none) MemberRemove(uint64, *pb.MemberRemoveResponse) error {
	return n.refuse()
}
func (n none) MemberUpdate(uint64, *pb.MemberUpdateResponse) error {
	return n.refuse()
}
func (n none) MemberPromote(uint64, *pb.MemberPromoteResponse) error {
	return n.refuse()
}
func (n none) MoveLeader(_, _ uint64, _ *pb.MoveLeaderResponse) error {
	return n.refuse()
}
func (n none) Alarm(*pb.AlarmResponse) error { return n.refuse() }
func (n none) Downgrade(client.DowngradeAction, *pb.DowngradeResponse) error {
	return n.refuse()
}
func (n none) Health([]Health) error { return n.refuse() }
func (n none) Status([]Status) error { return n.refuse() }
func (n none) HashKV([]HashKV) error { return n.refuse() }

// id renders a member or cluster id as operators write it in commands.
func id(n uint64) string { return fmt.Sprintf("%x", n) }

// leaseID renders a lease as the commands take it.
func leaseID(n client.LeaseID) string { return fmt.Sprintf("%016x", int64(n)) }
