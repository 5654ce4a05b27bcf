// Package client is the Go client of quoin and of etcd 3.4 and newer.
//
// Names and shapes are those of etcd's Go client, so that a program changes over by changing an import:
//
//	cli, err := client.New(client.Config{Endpoints: []string{"localhost:2379"}})
//	if err != nil {
//		…
//	}
//	defer cli.Close()
//	_, err = cli.Put(ctx, "key", "value")
//
// A Client is safe for concurrent use, holds one connection per member and is meant to live as long as the program.
//
// # Deadlines
//
// A call waits for a member to become reachable until its context ends, so calls want contexts with a deadline.
//
// # Repetition
//
// A call that only reads is repeated at another member when one fails. A call that changes something is sent once: when
// its answer is lost, the caller gets the error and has to find out for himself whether the change was made. Only an
// answer that says that nothing was done (the token is out of date, the member is a learner) lets a change be sent again.
//
// # Watches and leases
//
// Watches and the renewal of leases go on over broken connections, on streams that many of them share. The channel of a
// watch has to be read, or the context of the watch ended; a channel of KeepAlive as well.
//
// # Users
//
// With Config.Username and Password the client obtains a token that goes with every request. When a member refuses it, since
// it is too old or users have changed, the client obtains another one and goes on, also with watches and renewals of leases.
// Neither passwords nor tokens are logged.
//
// # Errors
//
// What a member answers is an rpctypes.EtcdError and compares to the variables of that package. When the context of the
// call has ended, the error is that of the context. Anything else is a gRPC status.
package client
