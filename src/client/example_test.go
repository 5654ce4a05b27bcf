package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

func Example() {
	cli, err := client.New(client.Config{Endpoints: []string{"localhost:2379", "localhost:22379", "localhost:32379"}})
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := cli.Put(ctx, "color", "blue"); err != nil {
		log.Fatal(err)
	}
	resp, err := cli.Get(ctx, "color")
	if err != nil {
		log.Fatal(err)
	}
	for _, kv := range resp.Kvs {
		fmt.Printf("%s=%s, changed at revision %d\n", kv.Key, kv.Value, kv.ModRevision)
	}
}

// Create a key unless it exists.
func ExampleTxn() {
	cli, err := client.NewFromURL("localhost:2379")
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	resp, err := cli.Txn(context.Background()).
		If(client.Compare(client.CreateRevision("owner"), "=", 0)).
		Then(client.OpPut("owner", "me")).
		Else(client.OpGet("owner")).
		Commit()
	if err != nil {
		log.Fatal(err)
	}
	if !resp.Succeeded {
		fmt.Printf("owned by %s\n", resp.Responses[0].GetResponseRange().Kvs[0].Value)
	}
}

// Read the five keys under a prefix that changed last.
func ExampleWithSort() {
	cli, err := client.NewFromURL("localhost:2379")
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	resp, err := cli.Get(context.Background(), "jobs/", client.WithPrefix(),
		client.WithSort(client.SortByModRevision, client.SortDescend), client.WithLimit(5), client.WithKeysOnly())
	if err != nil {
		log.Fatal(err)
	}
	for _, kv := range resp.Kvs {
		fmt.Println(string(kv.Key))
	}
}

// Read an interval of any size in bounded memory.
func ExampleGetStream() {
	cli, err := client.NewFromURL("localhost:2379")
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	stream, err := cli.GetStream(context.Background(), "", client.WithPrefix())
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		for _, kv := range part.Kvs {
			fmt.Println(string(kv.Key))
		}
	}
}

// Read the keys under a prefix, and follow their changes from there on without a gap.
func ExampleWatcher() {
	cli, err := client.NewFromURL("localhost:2379")
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	resp, err := cli.Get(ctx, "jobs/", client.WithPrefix())
	if err != nil {
		log.Fatal(err)
	}
	for r := range cli.Watch(ctx, "jobs/", client.WithPrefix(), client.WithRev(resp.Header.Revision+1)) {
		if err := r.Err(); err != nil {
			log.Fatal(err) // for rpctypes.ErrCompacted, begin again with the Get
		}
		for _, e := range r.Events {
			fmt.Printf("%s %s at revision %d\n", e.Type, e.Kv.Key, e.Kv.ModRevision)
		}
	}
}

// Keep a key as long as the program lives.
func ExampleLease() {
	cli, err := client.NewFromURL("localhost:2379")
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	ctx := context.Background()
	lease, err := cli.Grant(ctx, 10)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := cli.Put(ctx, "workers/me", "here", client.WithLease(lease.ID)); err != nil {
		log.Fatal(err)
	}
	renewals, err := cli.KeepAlive(ctx, lease.ID)
	if err != nil {
		log.Fatal(err)
	}
	for range renewals {
	}
	fmt.Println("the lease is over")
}

// Let a service read and change its own keys and no others.
func ExampleAuth() {
	admin, err := client.New(client.Config{
		Endpoints: []string{"https://localhost:2379"}, Username: "root", Password: os.Getenv("ROOT_PASSWORD"),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer admin.Close()
	ctx := context.Background()
	if _, err := admin.RoleAdd(ctx, "billing"); err != nil {
		log.Fatal(err)
	}
	prefix := "billing/"
	if _, err := admin.RoleGrantPermission(ctx, "billing", prefix, client.GetPrefixRangeEnd(prefix), client.PermReadWrite); err != nil {
		log.Fatal(err)
	}
	if _, err := admin.UserAdd(ctx, "invoices", os.Getenv("INVOICES_PASSWORD")); err != nil {
		log.Fatal(err)
	}
	if _, err := admin.UserGrantRole(ctx, "invoices", "billing"); err != nil {
		log.Fatal(err)
	}
}

// Go on when the user has no permission for a key.
func ExampleConfig_password() {
	cli, err := client.New(client.Config{
		Endpoints: []string{"https://localhost:2379"}, Username: "invoices", Password: os.Getenv("INVOICES_PASSWORD"),
	})
	if errors.Is(err, rpctypes.ErrAuthFailed) {
		log.Fatal("there is no such user, or he has another password")
	}
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	_, err = cli.Get(context.Background(), "payroll/secret")
	if errors.Is(err, rpctypes.ErrPermissionDenied) {
		fmt.Println("not for us")
	}
}

// Tell what a member answered from a request that did not get through.
func Example_errors() {
	cli, err := client.NewFromURL("localhost:2379")
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = cli.Get(ctx, "color", client.WithRev(1))
	switch {
	case errors.Is(err, rpctypes.ErrCompacted):
		fmt.Println("that revision is gone")
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("no member answered in time")
	}
}
