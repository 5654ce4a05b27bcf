package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"quoin.dev/api/etcdserverpb"
)

// remote is a connection to one member. It is plain gRPC, which goes to nobody else and repeats nothing by itself.
type remote struct {
	conn        *grpc.ClientConn
	kv          etcdserverpb.KVClient
	maintenance etcdserverpb.MaintenanceClient
	cluster     etcdserverpb.ClusterClient
}

func newRemote(address string) (*remote, error) {
	// A member that is down is looked for often, so that what is measured is its time and not that of the client.
	often := backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 50 * time.Millisecond}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: often, MinConnectTimeout: probeTimeout}), grpc.WithUserAgent("quoin-bench"))
	if err != nil {
		return nil, fmt.Errorf("a connection to %s: %w", address, err)
	}
	return &remote{
		conn: conn, kv: etcdserverpb.NewKVClient(conn),
		maintenance: etcdserverpb.NewMaintenanceClient(conn), cluster: etcdserverpb.NewClusterClient(conn),
	}, nil
}

func (r *remote) status(ctx context.Context) (*etcdserverpb.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return r.maintenance.Status(ctx, &etcdserverpb.StatusRequest{})
}
