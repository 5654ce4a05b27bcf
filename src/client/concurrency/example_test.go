package concurrency_test

import (
	"context"
	"fmt"
	"log"

	"go.uber.org/zap"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
	"quoin.dev/client/internal/standin"
)

// A holder whose lease ended while it was suspended still believes that it holds the lock. The condition on the create
// revision of the key of the lock keeps it from writing.
func Example_fencing() {
	member, err := standin.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer member.Stop()
	cli, err := client.New(client.Config{Endpoints: []string{member.Address}, Logger: zap.NewNop()})
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	ctx := context.Background()

	lock := func() (*concurrency.Session, *concurrency.Mutex) {
		s, err := concurrency.NewSession(cli)
		if err != nil {
			log.Fatal(err)
		}
		m := concurrency.NewMutex(s, "locks/ledger")
		if err := m.Lock(ctx); err != nil {
			log.Fatal(err)
		}
		return s, m
	}
	write := func(m *concurrency.Mutex, text string) {
		resp, err := cli.Txn(ctx).If(m.IsOwner()).Then(client.OpPut("ledger", text)).Commit()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: written %v\n", text, resp.Succeeded)
	}

	session, first := lock()
	write(first, "by the first holder")
	member.Expire(int64(session.Lease())) // the first holder is suspended for too long
	_, second := lock()
	write(first, "by the first holder, late")
	write(second, "by the second holder")

	// Output:
	// by the first holder: written true
	// by the first holder, late: written false
	// by the second holder: written true
}
