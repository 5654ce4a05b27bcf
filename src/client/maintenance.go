package client

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
)

// Responses of the maintenance calls, as they are on the wire.
type (
	AlarmMember        = pb.AlarmMember
	AlarmType          = pb.AlarmType
	AlarmResponse      = pb.AlarmResponse
	DefragmentResponse = pb.DefragmentResponse
	StatusResponse     = pb.StatusResponse
	HashResponse       = pb.HashResponse
	HashKVResponse     = pb.HashKVResponse
	MoveLeaderResponse = pb.MoveLeaderResponse
	DowngradeResponse  = pb.DowngradeResponse
	DowngradeAction    = pb.DowngradeRequest_DowngradeAction
)

// Actions of Maintenance.Downgrade.
const (
	DowngradeValidate = pb.DowngradeRequest_VALIDATE
	DowngradeEnable   = pb.DowngradeRequest_ENABLE
	DowngradeCancel   = pb.DowngradeRequest_CANCEL
)

// Maintenance asks members about themselves and looks after them. Calls with an endpoint go to that member, whether or
// not it is among the endpoints of the client.
type Maintenance interface {
	// AlarmList returns the alarms that are raised.
	AlarmList(ctx context.Context) (*AlarmResponse, error)
	// AlarmDisarm takes back an alarm; with a zero AlarmMember, all of them. It returns those taken back.
	AlarmDisarm(ctx context.Context, m *AlarmMember) (*AlarmResponse, error)
	// Defragment gives back the disk space that the member does not use. It can take minutes, and goes on at the member when
	// ctx ends. A member of quoin serves meanwhile, one of etcd does not.
	Defragment(ctx context.Context, endpoint string) (*DefragmentResponse, error)
	// Status returns the state of a member. It needs no quorum.
	Status(ctx context.Context, endpoint string) (*StatusResponse, error)
	// HashKV returns a hash over the keys and their history up to the revision, 0 = the current one. Members that agree
	// on the hash at one revision, with the same compact revision, hold the same data.
	HashKV(ctx context.Context, endpoint string, rev int64) (*HashKVResponse, error)
	// Hash returns a hash over the whole database of a member. It is for tests: members that hold the same data may differ
	// in it, as soon as one of them has compacted more.
	Hash(ctx context.Context, endpoint string) (*HashResponse, error)
	// SnapshotWithVersion returns a copy of the database of a member, with the version of its format.
	SnapshotWithVersion(ctx context.Context) (*SnapshotResponse, error)
	// Snapshot returns a copy of the database of a member, followed by its SHA-256, which the reader verifies. The caller
	// closes the reader.
	Snapshot(ctx context.Context) (Snapshot, error)
	// MoveLeader hands leadership to the member with this id. The client must be connected to the leader.
	MoveLeader(ctx context.Context, transfereeID uint64) (*MoveLeaderResponse, error)
	// Downgrade checks, begins or calls off the way back to an older minor version, as "3.6".
	Downgrade(ctx context.Context, action DowngradeAction, version string) (*DowngradeResponse, error)
}

type maintenance struct {
	c *Client
	// at returns the generated client for one endpoint, "" = any member, and what to call when done with it.
	at func(endpoint string) (pb.MaintenanceClient, func() error, error)
}

// NewMaintenance returns the Maintenance of a client.
func NewMaintenance(c *Client) Maintenance {
	return &maintenance{c, func(endpoint string) (pb.MaintenanceClient, func() error, error) {
		if endpoint == "" {
			return pb.NewMaintenanceClient(c.conn), keepOpen, nil
		}
		conn, err := c.Dial(endpoint)
		if err != nil {
			return nil, nil, fmt.Errorf("failed to dial endpoint %s with maintenance client: %w", endpoint, err)
		}
		return pb.NewMaintenanceClient(conn), conn.Close, nil
	}}
}

// NewMaintenanceFromMaintenanceClient returns a Maintenance over a generated client; every endpoint means its server.
func NewMaintenanceFromMaintenanceClient(remote pb.MaintenanceClient, c *Client) Maintenance {
	return &maintenance{orBare(c), func(string) (pb.MaintenanceClient, func() error, error) { return remote, keepOpen, nil }}
}

func keepOpen() error { return nil }

// maintain makes one unary call at an endpoint.
func maintain[Req, Resp any](ctx context.Context, m *maintenance, endpoint string,
	call func(pb.MaintenanceClient, context.Context, *Req, ...grpc.CallOption) (*Resp, error), req *Req,
) (*Resp, error) {
	remote, done, err := m.at(endpoint)
	if err != nil {
		return nil, err
	}
	resp, err := call(remote, ctx, req)
	if closeErr := done(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, ContextError(ctx, err)
	}
	return resp, nil
}

func (m *maintenance) AlarmList(ctx context.Context) (*AlarmResponse, error) {
	return maintain(ctx, m, "", pb.MaintenanceClient.Alarm, &pb.AlarmRequest{Action: pb.AlarmRequest_GET})
}

func (m *maintenance) AlarmDisarm(ctx context.Context, am *AlarmMember) (*AlarmResponse, error) {
	if am.MemberID != 0 || am.Alarm != pb.AlarmType_NONE {
		return maintain(ctx, m, "", pb.MaintenanceClient.Alarm,
			&pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: am.MemberID, Alarm: am.Alarm})
	}
	raised, err := m.AlarmList(ctx)
	if err != nil {
		return nil, err
	}
	all := &AlarmResponse{}
	for _, one := range raised.Alarms {
		resp, err := m.AlarmDisarm(ctx, one)
		if err != nil {
			return nil, err
		}
		all.Alarms = append(all.Alarms, resp.Alarms...)
	}
	return all, nil
}

func (m *maintenance) Defragment(ctx context.Context, endpoint string) (*DefragmentResponse, error) {
	return maintain(ctx, m, endpoint, pb.MaintenanceClient.Defragment, &pb.DefragmentRequest{})
}

func (m *maintenance) Status(ctx context.Context, endpoint string) (*StatusResponse, error) {
	return maintain(ctx, m, endpoint, pb.MaintenanceClient.Status, &pb.StatusRequest{})
}

func (m *maintenance) HashKV(ctx context.Context, endpoint string, rev int64) (*HashKVResponse, error) {
	return maintain(ctx, m, endpoint, pb.MaintenanceClient.HashKV, &pb.HashKVRequest{Revision: rev})
}

func (m *maintenance) Hash(ctx context.Context, endpoint string) (*HashResponse, error) {
	return maintain(ctx, m, endpoint, pb.MaintenanceClient.Hash, &pb.HashRequest{})
}

func (m *maintenance) MoveLeader(ctx context.Context, transfereeID uint64) (*MoveLeaderResponse, error) {
	return maintain(ctx, m, "", pb.MaintenanceClient.MoveLeader, &pb.MoveLeaderRequest{TargetID: transfereeID})
}

func (m *maintenance) Downgrade(ctx context.Context, action DowngradeAction, version string) (*DowngradeResponse, error) {
	return maintain(ctx, m, "", pb.MaintenanceClient.Downgrade, &pb.DowngradeRequest{Action: action, Version: version})
}
